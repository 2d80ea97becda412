hello, I am no mesh
