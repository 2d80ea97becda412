"""Malformed VTKHDF: small files as h5py once wrote them, kept here, with one thing wrong each.

`python tests/corrupt/cases/vtkhdf.py` writes BASES and PLACES anew.
"""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SUFFIX = ".vtkhdf"

# name -> the file, packed; and where the values of its arrays lie.
BASES: dict[str, str] = {
    "grid": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0aUzg/2+MUJySMAI46YhfGZ0cSZ0dzJyorDBgdoPDkwjIJRMApGwSgYBaMA"
        "Dfg7e3iDmmd/eCB8F1j9Kgmqm/n8SnOTUov80wLyM/NKipNhtTVDkcobX0qaUeXDqBk1/ZDFKlgw+vBBxIxhwSgBCg"
        "9eWDA6p+bkFK/iguncZ+alQ0ko1g+jUMwRya8BhSL2jgybEihExOHhmJ+Xl5pcklmWWVLpmVL8Adq3qFy+ow8enirA"
        "8AQGKAtawxGdzyzCwCioYA8PXxNuBpP/QEnkcG6HhnMCzLELBn94xikJ1IHCU1QI5GX08ASl1W5+iEoLuBbj34vQky"
        "MbWnsbX3J8zoTaPR3KyfFHsCMPLFOfF0DL1OKgxMiDnAjrofmeocNY+DB6GDKjJzk8YSgOVSQxDMLQbpnqZ1gY8glB"
        "xAxhYSgECkN2/7S04tSS4sP8sHrl19Ui9OBD7/yDgw9eQnKgBJ8+M1p3cijXK9dVzUHBBx2+gVTBDrwQSVCY3hOGsE"
        "2gGlRCgyXRA48FvdgjorgzhAaiAswlG4Ze4H2zXhANDguF/ZMYs5Ex/qEyHlBYMxbYQ5Mrgwf1nPQ25PBdcHwKgOxg"
        "BQ1XFTMJQrODCEiMExzHLoklid7QqHVetacTALZY6PQ="
    ),
    "polyhedron": (
        "eNrtWWtoE0EQns0laUzSmsRoa1sliEgoov6oUAVprOkZabXBxiL4oDW5YjDJhVyqDRTbH4oP/OELRX+JoGgRrA9UBF"
        "FaFBEURPCtCP5Qis8foj+0unfZjXFrarRR2yMDYXdnZmdmv31kZ2+bx80XGkuNnMEAlL4SijqS7VmEz5fMe9jgcS/V"
        "QLvGlq5IyagBBKC3Ai70Tb46bPsMNboAckEzO7YsT4ZwZLwNtJlCMM8H4MAAZrADNAkxKShGwIJHmBykCzQIIQ2xyZ"
        "aUzBWyER3ug/34ElEBxmHTFqK5LCLFY23+eFtMCCyMBQNJRCaPT/btIWWHeOOREi8ChHAssl9E7NOSMwNKj02Hh8AZ"
        "Ddgeh0QSVGpyLsCoJZPzTqeWGbs2q57vqofm/0r+nRAz1xwjp/FUZDDkItPhoormDAPRMA7ZAFjHXIZ+ml/o60k5ho"
        "nndwecpzzlKU95ytPIpOFcozao6Bq1v7eq+/+g2KkiFEN2sSOnq3IqxhMDqmXuWWybswOyOqpT+FaaoPIrFqbjvIXg"
        "3EydHBr5eK6eYtmYg+WoZWEbYjm+IDA5VLAc3+44/SBXW5rNZ4fCsICsS4sKMHTdve36Wydiqm34Ab5ijsnyRjF862"
        "P9n/nGxlq4S94uUBhgjzyyE3PLp//p/s3iuCvhmH3cM/rAq7+38rqChePybrQu/Tf0U5lZXjsoWm0jdjy5C+m1r+/J"
        "v74hVHHquSF8ubV3Nr/U44UC5Sy1fJfQOQyTNt0wmV4Sx2bpUZvWE5EtgSA6mfJqupzHa3weN+hkPRPmBJzOCdQH9d"
        "K9eeESvhFrQZiZOTTInxfalW2XlBSRVVgKP5ZOf8GqGl89D7pTPVftoMXa02DGvnAdrMVSK2w9vysKp3HVDu7qm+2w"
        "AiuUQ9esS13wFGTdi2+vbIZruFoCVfO374CduGoD8fzRk8Dj6hRYPHD8AWxQup2dXvEYDit/SbfvvHwJFZhbBr3bmv"
        "uhFlcnwNGu5/2QwArFwEkrXsEMxa7/c8sAyPMwEd58sOvz6dIIyr5cKjoVApsWfRwOFh4VYZE4NmfQxw36/mzOAgsv"
        "x+Q5oxiLc1eemVgsdESmywKLHoKFUwVYvO8NfRlOYnefU09iN+D48Gk4CdonFSVoB7sP1PIed03qK6lyeWrmJiEoWt"
        "IWXiPEGlq9YjASl/yInqiFVLBACIWkbiPlF6f4YiQi+OPB9cF4YlFAemeiGvqkKVchZZjTVTuLKLugobVVEuJS31jK"
        "0ckfeyWNlbbHKJbcLfGWunGD4uJb/IJks1N+WTqfic1ZMkjLK4YSa4VATIz4RLkH1qqcSLUsrA1XKRWZZBEJvL6Mcq"
        "2sOWl5+U9kpF9g0n9YA98Ab85lAg=="
    ),
    "series": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q8FcRwjeAirecPv7b38MliImhgkkIWSEMcDExMDIwsAkyACm2sBBvoNmbYYY6M1AD6N"
        "e0R0CcsFRUiIEFlxN4HBkYmBk4GHgYRBgYwlKLijPz8xgEgD6EeNKBgYmRkZEJaiY6DQM8WiBDWIF6gPaEVBakMggD"
        "jRaAqgzNKy4pKk0uKS1KTXEvykyBhMhUEYhedVEIvbTvwXSwexkZGBmBciB7GaHmw2hmHgZGZLexAr3AzMUBNI+ZMR"
        "/qKHjk7GAYsoBb43I9C1pYsxGl84M9fnFC8gjAiCOuYXxmNHFmNHeysuKwwQEaT1BaAEqLQGkJKC3jgKr/gT2loYqe"
        "mmCAhWEUjIJRMApGwSgYLMDf2cNbANiEei4L4VvB6lcxUA3G7Zyak+OfllacWlJ8WAqmJzNe+xpIKwXNqPJh1Iyafs"
        "hiFSwY//BAxJxgwSgOCg+egPzMvBJoOG6XhLfAGRe2UBSK9cMoFHNE8mtgoXhAHiJmCwtFBVB4iDrn5+WlJpdklmWW"
        "VHqmQIPzvDTMhJNdoY+RUqUKMDyBAcqC1nBE5zOLMDAKKtjDw9eEm8HkP1ASOZzboeGcALNqweAPzzglgTpyygO05M"
        "iG1t7GlxyfM6F2T4dycvwR7MgDS475XBAxC9SyMSCxCJanV0vA9IXGTvdCD0Nm9CSHJwzFoYokhkEY2i1T/UyFJIg+"
        "HAAOPngJyYESfPrMaN3JoVyvXFc1dwsOdmXwhY5dMGoxMoAqXgbRO8W1RAYerGrgIKG4M2RG6UIzMGwYeoH3hzeKDx"
        "wWCvsnMWYjY/xDZTygdMVYYC8ENceDek56G3L4LgO5+YGhAlQSdfOjlkQQR4NktnFDRCxhY2UaoPKGnYEHVOH5BZek"
        "FhSjjrchj/lAxwcTc0pTi+eLw0ZWoHSR8P9ktyCPAKBhIC0CDBjDklrQtgosneIawOMk0sMsSDohRisA6b/ycHke6b"
        "VOIR4uQCcC1YE8nqIxXxRmB8yW5ws1hd2CgaoYYO7DPTITwFABtAMmwweNfFiDF0Yr3LBicQrxcWNg1ZuW682QARQS"
        "ZOjYPrGAYRNoZInBwrGrh2ECkCnEkL992XoGNyBTiWGLjtYdhkWgISiG6/I77jMcAzOXNTx+xVAJZIozMBdHv2HQA5"
        "f5yX8S/zGAfCLJ4Dc1z55hFAy6/hKhyomI8rUQWr4KDOHy9b5ZRAxRFTWOdk4jehgM4Yr6/xTuK5SExcRhFBb7Z/eX"
        "UhIWC4dRWPTGPgynJCw2DqOwCHgz9zIlYXFwGIWFyofsV6C+JfaGKJsEqB3C61eam5Ra5J8G6mUW35aB6Fwcc3s9Ja"
        "F4cRiForH8/CAKWviKctRv4bdETToFiljsM+Fs0iCbBcBjgS6JJYnQsQNdaLv2zM3nc908XJzgU9YgUP7eYAojAx88"
        "MYD0FifD27PwVAIapy1exQUTF4eLowyZFX/ghqlggxjlwAsT4EFWWs8HE2aHjf7yw0RYQTPvxUyCMD4n3EPewnA14A"
        "6HkMhoe5E0AADLN6lR"
    ),
    "surface": (
        "eNrr9HBx4+WS4mLm4GCAgf9QIKQI4RtAxTVnTBLz93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnzBUQYGBI54IIW0OlIQ4AyazjhogYQ2V4HBkYmBk4GHgYRBgYwlKLijPz8xgEgH6GeNuBgYmRkZEJqhidhgEe"
        "JZAhrEA9LAwMIZUFqQzCjBATQCoD8nMqXRJLEkEqpVdfTAW7k5GBkRFoI8h0RqgpMJqZh4ER2QWsQMczc3EAQ5aZMR"
        "1qNTxSdjAMWbDSYsFZZhSRD/b4dVAqjwngYY5DHD2mmRlGwSgYBaNgFIyCUUAp8Hf28MbeZmSTBNXCfH6luUmpRf5p"
        "AfmZeSXF0dB6ubNDvBrejFIBVtPAdhQzWhWNQYswMAoq2MObVSbcDCb/gZLIzat8aH3vAXPfgsEfhIFFu5eCglFUCN"
        "T6RA9GUJu3gRei0gSmheumYzolrdDtw6gVGnj4/xRwWCjsn8SYjYwrQGH3WwA17KBdGQlQQPHCEqdzak5O8UNoz4JN"
        "CSQnDpfLz8tLTS7JLMssqfRMKd4CjQuQ2Wf4IWxlmFtYINTLh+pfQDEKUnNOCCJmCFXCJgwynQPYUynJTE4tfssDFT"
        "9zpKuekijdP4yiNKXHlQE9LNDV4AsLWN5hGAZhkTDZG1w6sImD0gEPcmo8wAdRcjT2wjJKks7xYZR0SrZ2NuGpk4RA"
        "IcLun5ZWnFpS/B6afefc3SxPSfidH0bhlyG3TQVPaeomRmxpqi9ITGn6XwhRmoqLYi9NI4Uv94BzAGT4CdKQWMSF0C"
        "gpgTokJNoplkJJfF4fRvFZ/NeEY7QoJViUcotAlCjMvXOakqRzfxglnQVOS02ILUqtoHnXa/uBNkrC7/kwCr8Xa5+5"
        "4ClKJ0sTW5RWiRFTlPpIIErEFCnsRanTucvCsIZpmizWhilosDs9P6+4TRwi3Hi7voeSGH0/jGJ0RihPC3pYYPRS8Y"
        "TFd2hYSAyDsHCTEdyMozCNkIQoUatUOoceXOgzMPiCix8apgLDILiOz8jnJbYwbYfmXm3ZL2yUZD155uGT9RRVzWrw"
        "FKb3FIgtTI9LE1OYTpdFFKbr5bEXpq4555nAOUAAZBKrT2ZearE1tD0LbasGlxRlFhRfloEI8r+74ERJfKoPo/jM18"
        "rPGW2XEmyXLpaDKInpFb5HSdLRH0ZJp9hWaS+xReklaN7lab5yBwADiue6"
    ),
    "image": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q4MID4RtAxe8Z7eL093AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtEWAnMG5gFBBgYOCDOtEMKg9xgagQAwum63gcGRiYGTgYeBhEGBjCUouKM/PzGASA3ob43IGBiZGRkQlqEDoNAzzK"
        "IENYgXqANoRUFqQyCAMt5ISq9MxNTE91SSxJ5EkFKeOB2BWekZ+T6lpRkppXgmEfG9RcNjR70O1lxBEgPAEgi9iB1g"
        "At8i/KTM/MYxBUsIfbYcLNYPKfmQFsFzNUDzOBQOYJhAQU2MzggsTkzLx0Eg39YI9Jp01ccQwSdwyMjCZA3cxA7Wje"
        "ZUbzLro4Mw8DowBcnoOBFRjfzFwcwNTIzFjNjBaUMxgGLbh/eosMAyMTMwsrwygYBaNgFIyCUTAKRhAAt4UU9k9izE"
        "bG+JvWPKCmD2NxPqxd5EE95/gt1Erzd/bwxm4/mwjIZs6A/My8ElADt5obokvqyqZgAOLgjDw="
    ),
    "blocks": (
        "eNrr9HBx4+WS4mLm4GCAgf9QwCII4RtAxSf5He7293AJYmKoYBJCVggDXEwMjAwMbEBtjAxsYSHeQLM3wwx1ZqAG0K"
        "9pj4A4YZmAAAODMhNE2BQqDXEASGYeM6rbeRwZGJgZOBh4GEQYGMJSi4oz8/MYBIB+hnjbgYGJkZERahoDOg0DPNog"
        "Q1iBelgYGEIqC1IZhIHWCUJV+pbmlGQ65eQnZ7skliQGp5aAtKjd+s0HdjDPFiYlsCHMTGjBjD0UgeEoByIZeRhh1r"
        "OmZRYVl3Az6EOCVt8/L5VNAqyGBaaGNTMvL7UoAmaFDaXh/ZjNIdff2cMbFKS1/KhByiYMimcOx+Li1NyknMoUuDtF"
        "Jtkbg/2ssH8SYzYyXgEOA2ZGokKATR7F92zFqcn5eSkI74eU5zOEMtAGqAU9fwdN6iCvn4OmpnBG9HR2hA8iYkbNdA"
        "aO/5sTvrSAgl5UCJTa0IOIjQ+kihmYBKShbrtvfaQLpB571uRRxpZ0OaGWe+YmpqeCUi1PKkgZD8T54Rn5OamuFSWp"
        "eSUYXmCDxQqay5mw+AQb4AkAWcQOtAZokX9RZnpmHoOggj3cDhNuBpP/QJ+B7IJ6kIGZQKTxBELCHmxmcEFicmZeOo"
        "mGfrBHpzktTqWAUwIjAyOjCVAvM1AzmmeZ0TyLLs7Mw8AoAJfnYGAFJh9mLg4hUFYwZEMLyBkMgxZ85ZgnzMDIxMzC"
        "yjAKRsEoGAWjYBSMghEEsDfs8XcIeUBNH8ZiVVizwYN6zlmzVOwznlayCMhmzoD8zLwSUPPWENpav8m/+hhS834tP7"
        "bmPXYjqdPAZ2A4cV0sBndzHdq8B3ZxfkGdnDvT1HO0eU+T5j0A5kFmOg=="
    ),
    "declared_only": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICwC4RtAxecvCyny93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUQYGDI54IIW0OlIQ4AyWzjhohYQWV4HBkYmBk4GHgYgJ4KSy0qzszPYxAA+hnibQcGJkZGRiaoYnQaBni0"
        "QIawAvWwMDCEVBakMgiDrIOqDM0rLikqTS4pLUpNcS/KTAHpcIxTfgR2LyMDIyPQZpAtjFDTYDQzDwMjsktYgZ5g5u"
        "IAhjAzYz7UCfDI2cEwZAG3xuV6BoGlV14ghSwbmhpGHCEP4zOjiTOjmcPKiir/wR7KcICGowPDKBgFo2AUjIJRMAro"
        "DPydPbxBzbM/PBC+C6z+lgTV/Xx+pblJqUX+aQH5mXklxcmw1gBDkcobX0qaUeXDqBk1/ZDFKlgw+vBBxCxhwSgBCg"
        "9eWDA6p+bkFK/igumMkq1QpyQU64dRKOaI5NfAQnEiP0TMBBaKSqDwEIeHYn5eXmpySWZZZkmlZ0rxB26YGWU8Pgzo"
        "4cmG1iDFF57tTKj9q6EcnuwrqpfBwvOiAETMCBYW4qDw5EEORwdemEYd3afb0AORGa11jy8Qt0MDUWIYBCKXbYM7KB"
        "Cx967ZhEDByO6fllacWlLcCs363Q8vvkAPP/T+Kzj84JmcAyX8zjOh9biGcPjN2T79LCj8RIVAHXT08AMlzUVCqFl9"
        "x7QXYeihxwKVg9HMIgyMggr28NRnws1g8h+YNJFD8SI0+BRgTtkw9EJvpqznY3BYKOyfxJiNjPEP9/CAEhZjAbMg1B"
        "wP6jmJ/3r/Q1ip8kgYImYIK1VEQPZygpsKLoklifzQqD3EsSoNHqUqwCgFxils2AE+fIDGxxvF3BzAsoWFiYGZ2cGJ"
        "nxlcCjFzwcKAYdZgjlImW+cVoPBjEwCFFStoyKr4KLS2gw7TQZpa16CB51B2+hkAg8T2kg=="
    ),
    "external_link": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q8E0IwjeAivtVTPTy93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUQYGDI54IIW0OlIQ4AyWzjhohYQWV4HBkYmBk4GHgYRBgYwlKLijPz8xgEgH6GeNuBgYmRkZEJqhidhgEe"
        "LZAhrEA9LAwMIZUFqQzCIOugKkPzikuKSpNLSotSU9yLMlNAOhzjlB+B3cvIwMgItBlkCyPUNBjNzMPAiOwSVqAnmL"
        "k4gCHMzJgPdQI8cnYwDFnArXG5ngUtZNnQ1DDiCHkYnxlNnBnNHFZWVPkP9lCGAzQcHRhGwSgYBaNgFIyCUUBn4O/s"
        "4Q1qnv3hgfBdYPW3JKju5/MrzU1KLfJPC8jPzCspToa1BhiKVN74UtKMKh9GzajphyxWwYLRhw8iZgkLRglQePDCgt"
        "E5NSeneBUXTGeUbIU6JaFYP4xCMUckvwYWihP5IWImsFBUAoWHODwU8/PyUpNLMssySyo9U4o/cMPMKOPxYUAPTza0"
        "Bim+8GxnQu1fDeXwZF9RvQwWnhcFIGJGsLAQB4UnD3I4OvDCNOroPt2GHojMaK17fIG4HRqIEsMgELlsG9xBgYi9d8"
        "0mBApGdv+0tOLUkuJWaNbvfnjxBXr4ofdfweEHz+QcKOF3ngmtxzWEw2/O9ulnQeEnKgTqoKOHHyhpLoIOaYRAdZgo"
        "eJ5GDz1YHxVGM4swMAoq2MNTnwk3g8l/YNJEDsWL0OBTgDllw9ALvZmyno/BYaGwfxJjNjLGP9zDA0pYjAXMglBzPK"
        "jnJP7r/Q9BEcomALKDFTTkUnwUWlqziYDEOMFNBZfEkkR+aNSyyQDFORzYIG0IoEb91JJk/YLE4uLyFAb9Coat0Qu3"
        "AQByjuBx"
    ),
    "soft_link": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q8F4IwjeAinvyVuz393AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUQYGDI54IIW0OlIQ4AyWzjhohYQWV4HBkYmBk4GHgYRBgYwlKLijPz8xgEgH6GeNuBgYmRkZEJqhidhgEe"
        "LZAhrEA9LAwMIZUFqQzCIOugKkPzikuKSpNLSotSU9yLMlNAOhzjlB+B3cvIwMgItBlkCyPUNBjNzMPAiOwSVqAnmL"
        "k4gCHMzJgPdQI8cnYwDFnArXG5ngUtZNnQ1DDiCHkYnxlNnBnNHFZWVPkP9lCGAzQcHRhGwSgYBaNgFIyCUUBn4O/s"
        "4Q1qnv3hgfBdYPW3JKju5/MrzU1KLfJPC8jPzCspToa1BhiKVN74UtKMKh9GzajphyxWwYLRhw8iZgkLRglQePDCgt"
        "E5NSeneBUXTGeUbIU6JaFYP4xCMUckvwYWihP5IWImsFBUAoWHODwU8/PyUpNLMssySyo9U4o/cMPMKOPxYUAPTza0"
        "Bim+8GxnQu1fDeXwZF9RvQwWnhcFIGJGsLAQB4UnD3I4OvDCNOroPt2GHojMaK17fIG4HRqIEsMgELlsG9xBgYi9d8"
        "0mBApGdv+0tOLUkuJWaNbvfnjxBXr4ofdfweEHz+QcKOF3ngmtxzWEw2/O9ulnQeEnKgTqoKOHHyhpLoIOafhCdVTf"
        "XDULPfRgfVQYzSzCwCioYA9PfSbcDCb/gUkTORQvQoNPAeaUDUMv9GbKej4Gh4XC/kmM2cgY/3APDyhhMRYwC0LN8a"
        "Cek/iv9z8ERSibAMgOVtCQS/FRaGnNJgIS4wQ3FVwSSxL5oVHLJgoU52Bkg7QhOBn0IQNR+oU+fF17AJSs3i4="
    ),
    "virtual": (
        "eNrtml9IU1Ecx3/nnm2uu6ubc6EV0mpCEZYVBv0hnGzkRGsRtqKHwOYVR3NX7r3aJEFfhkQP/XlIgp6iInwKAvUtCO"
        "olIiQo6CGwKHzoQXwW7J57z1nboSRQhMn5wji7v/P/c8655/zOdisRP1Mt75Sx1wtMq1SRJuf5MLVP1Ox+m0zEL0iQ"
        "l4KlCZlkCRCApxaswJPq6bLKfskKjcFGqGVs8rLThKeBAIAmO+ZTNNppAImZ8TmWkzRGaQfA4AUFQgApVTcyWg4CVp"
        "+dbkdBQghJNDEfMikHSCFuK48LoGd0SIU6Uh1NeTFnmPpw2hzW1b4OPdNHcrRfjXyz24sAIatmUguipbEQK4BKW+K2"
        "OoFlr0UYI402oTg4c1Cx8u3/OO7iyHq4NOgf5Nkz5uyYK8ftLo9faqNfopRjFISEhISEhIQ2WclYooscz1YU5znO9u"
        "8dZO+vOTc8eE3Vk/3ntUzONNLsNAB606+z6zlG3dhCx6ip18enGcbuGsd2gmFsIDyqGcaYms0a0zLLeaUxv289FMe3"
        "EMVsSBtjFO/5HVsro7iX8KgvUtRyOTVtZkYy5mhnn7HkY2WMKN3A8/RwB9K1eE5K5f5VJfOsen7zGeM5H3BsRxmLes"
        "JTKeUYrWYZmw/+mOEhYu50vxbEWQqxYQtAlE9PdBCIf/euPUGCsSrZ32+oplGgS//2wvwiz4/3X21+xUXuLeP3QeI8"
        "rgrm92h26j3htz1IHHSeH5maj4PlS33uwWKKp8d8VBbiEKDacFtx9rX6oHXVmpqlFOcpvjBryovKo/ewsfO7zSL86j"
        "66XvpZ+7pHIRMLDeFaWk5i45rk/3xngb1VliOO7Qh7q4RIvdvso0K81+z106H9Eo3k7W7s4bthDXGTNcTSnyHG/FD/"
        "z5D7vNbSc+HlupKd80llDPGl5q+7OmLJbrvNgfKdv4u/g2kxB4daNHNA1Q8NHIO8DQdxdzK2TZJoPmSDJCGGlUIhW1"
        "b3Xb84/goJCQkJCQkJCQkJCQkJbZbIfYonQNx0N/kLi/GG+uX0bzvOTy+f6GVKdOTdz990ffhV"
    ),
    "external_storage": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q4C0C4RtAxVk5xRz9PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1lBpiANAMtu4ISJWUBkeRwYGZgYOBh4GoKfCUouKM/PzGASAfoZ424GBiZGRkQmqGJ2GAR4t"
        "kCGsQD0sDAwhlQWpDMIg66AqQ/OKS4pKk0tKi1JT3IsyU0A6HOOUH4Hdy8jAyAi0GWQLI9Q0GM3Mw8CI7BJWoCeYuT"
        "iAIczMmA91AjxydjAMWcCtcbmeBS1k2dDUMOIIeRifGU2cGc0cVlZU+Q/2UIYDNBwdGEbBKBgFo2AUjIJRQGfg7+zh"
        "DWqe/eGB8F1g9bckqO7n8yvNTUot8k8LyM/MKylOhrUGGIpU3vhS0owqH0bNqOmHLFbBgtGHDyJmCQtGCVB48MKC0T"
        "k1J6d4FRdMZ5RshToloVg/jEIxRyS/BhaKE/khYiawUFQChYc4PBTz8/JSk0syyzJLKj1Tij9ww8wo4/FhQA9PNrQG"
        "Kb7wbGdC7V8N5fBkX1G9DBaeFwUgYkawsBAHhScPcjg68MI06ug+3YYeiMxorXt8gbgdGogSwyAQuWwb3EGBiL13zS"
        "YECkZ2/7S04tSS4lZo1u9+ePEFevih91/B4QfP5Bwo4XeeCa3HNYTDb8726WdB4ScqBOqgo4cfKGkuEkLN6jumvQhD"
        "Dz1YHxVGM4swMAoq2MNTnwk3g8l/YNJEDsWL0OBTgDllw9ALvZmyno/BYaGwfxJjNjLGP9zDA0pYjAXMglBzPKjnJP"
        "7r/Q9hpYoUdDTKEFaqiIDs5QQ3FVwSSxL5hWB14b5f8ChVAUYpEyJKmdGjlqgoZtdgANeTQAMZHgmj1YFQkAClIckB"
        "FkIwUYaSgYnSO6mLMz1cHQOQC0j4EIsI2tBaakmyfkFicXF5CrypxiYAUs8KGuoqPgqtJaHDe5Am2jVooDuUnX4GAI"
        "uN9Ns="
    ),
    "cycle": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICMJ4RtAxXekcqj7e7gEMTFUMAkhK4QBLiYGRgYGNkEGIMUWFuINNHszzFBnBmoA/Z"
        "r2CIgTlooKMbDgcgKPIwMDMwMHAw+DCANDWGpRcWZ+HoMA0IcQTzowMDEyMjJBzUSnYYBHC2QIK1AP0J6QyoJUBmGg"
        "0QJQlaF5xSVFpcklpUWpKe5FmSkCQAk+IYhOdbgZwRVhkCBjZGBkBLoFZC8jVA5GM/MwMCK7jRXoBWYuDqBZzIz5UE"
        "fBI2cHw5AF3BqX61nQwpqNKJ0f7PGLE5JHAEYccQ3jM6OJM6O5k5UVhw0O0HhyYBgFo2AUjIJRMApGAfUAJc2o8mHU"
        "jJp+yGLVwIRi/TAKxRyR/BqqpkoVYHgCA5QFreGIzmcWYWAUVLCHh68JN4PJf6Akcji3Q8M5AWbJgsEfnnFKAnVuwc"
        "GuDKdEoAlKi5HhGohx8Oe8XKKTIxtaextfcnzOhNo9HcrJ8UewIw+1sjQzepLDE4biUEUSwyAM7ZapfqZC8KEPB4CD"
        "D15CcqAEnz4zWndyKNcr11XN/Z09vCFDO0LQbLwESouxAosykDc33tvIjjvwWNCLPSKKO0NoICrADN0w9ALvm/WCaH"
        "BYKOyfxJiNjPEPlfGA0hVjgT104IjBg3pOehty+C45+tyCPAIY2MGJWgAhCnO3FrShACvmcY2ecRJpGwuSTkZoMmBk"
        "kBGHiRktF/vlFOLhwsAKUscNFEnRkBGF2QGzZf+1/7vcgoGqGGDuQ2/XIOwLYKgAJzWIjA8fRFyKAZWu8WtXcArxcW"
        "NgDTqoycxwjAE08qc3LdebIQPIFGTo2D6xgGETkCnCYOHY1cMwAZRnGPK3L1vP4AZkKjFs0dG6w7AIrG1Zw+NXDJVA"
        "pjgDc3H0GwY9cIGb/CfxHwPIJ5IMSXfEekYb+IMOuHm4OMELQnDu7NPbxsjA51eam5Ra5J8WkJ+ZV1KcDE9xvDAJ59"
        "ScnOJVXDBxcbh4fl5eanJJZllmSaVnSvEHbpgKNohRDrwwAR5kpfV8MGF2/7S04tSS4sP8MBFW0MB0MZMgjM8JNskl"
        "sSTRWxiuJjE9MTNv82iEkggAprD4gA=="
    ),
    "image_enormous": (
        "eNrr9HBx4+WS4mLm4GCAgf9QkM8E4RtAxUWLlhX7e7gEMTFUMAkhK4QBLiYGRgYGNkEGIMUWFuINNHszzFBnBmoA/Z"
        "r2CLATGDcw4nODqBADC6YcjyMDAzMDBwMPgwgDQ1hqUXFmfh6DANDjEL87MDAxMjJCPc2ATsMAjzLIEFagHqANIZUF"
        "qQzCQAs5oSo9cxPTU10SSxJ5UkHKeCB2hWfk56S6VpSk5pVg2McGNZcNzR5+deL4PAEgi9iB1gAt8i/KTM/MYxBUsI"
        "fbYcLNYPKfmQFsFzNULzOBYOYJhAQU2MzggsTkzLx0Eg39YI9O21gf1wEA7vVjEw=="
    ),
    "image_too_little_data": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q4MID4RtAxe8Z7eL093AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtEWAnMG5gFBBgYOCDOtEMKg9xgagQAwum63gcGRiYGTgYeBhEGBjCUouKM/PzGASA3ob43IGBiZGRkQlqEDoNAzzK"
        "IENYgXqANoRUFqQyCAMt5ISq9MxNTE91SSxJ5EkFKeOB2BWekZ+T6lpRkppXgmEfG9RcNjR7mAjw4e4JAFnEDrQGaJ"
        "F/UWZ6Zh6DoII93A4TbgaT/8wMYLuYoXqYCQQyTyAkoMBmBhckJmfmpZNo6Ad7TLo97+8JSNwxMDKaAHUzA7WjeQ9m"
        "Ci5xZh4GRgG4PAcDKzC+mbk4gKmRmbGaGS0oZzAMWnD/9BYZBkYmZhZWhlEwCkbBKBgFo2AUjCAAbgsp7J/EmI2M8T"
        "eteUBNH8bifFi7yIN6zvFbqJXm7+zhjd1+NhGQzZwB+Zl5JaAGbjU3RJfUlU3BADI4jJI="
    ),
    "image_no_extent": (
        "eNrr9HBx4+WS4mLm4GCAgf9QcJsbwjeAij+SPLrW38MliImhgkkIWSEMcDExMDIwsAkyACm2sBBvoNmbYYY6M1AD6N"
        "e0R4CdwOjOKCDAwLAU6kQzqDzEBaJCDCyYruNxZGBgZuBg4GEQYWAISy0qzszPYxAAehvicwcGJkZGRiaoQeg0DPAo"
        "gwxhBeoB2hBSWZDKIAy0kBOq0jM3MT3VJbEkkScApIwdaBPQLv+izPTMPAZBBXu4VSbcDCb/mRnAVjJDjWYm4HeeQI"
        "j7wWYGFyQmZ+alk2joB3tM2pddKwQSpAyMjCZA3cxA7Wi+h5mCS5yZh4FRAC7PwcAKjAZmLg5gImFmFIIqYoM5YgbD"
        "oAUC0UG+DIxMzCysDKNgFIyCUTAKRsEoGEEA3BZS2D+JMRsZ42/x8oCaPozFbLB2kQf1nPM533Slv7OHN3b72URANn"
        "MG5GfmlYDanULQ9vAdh9RrACAUhPU="
    ),
    "image_extent_nan": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q4MMD4RtAxVdXyf3z93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtEWAnMO5gFBBgYBCDOtEMKg9xgagQAwum63gcGRiYGTgYeBhEGBjCUouKM/PzGASA3ob43IGBiZGRkQlqEDoNAzzK"
        "IENYgXqANoRUFqQyCAMt5ISq9MxNTE91SSxJ5MkFKQPZBLQrPCM/J9W1oiQ1r4RBUMEebp8JN4PJf2YGsL1sUPPZUG"
        "z7UU8szRMAspAdYqF/UWZ6Zh5Ou5ihpjMTCGyeQEiAgc0MLkhMzsxLJ9HQD/aYtPhch1BIHDIwMpoAdTMDtaMFN8wU"
        "XOLMPAyMAnB5DgZWYLwzc3EAUyUzYzMzWlDOYBi0wOz3/t0MjEzMLKwMo2AUjIJRMApGwSgYQQDcFlLg3MWYjYzxN7"
        "F5QE0fxuJyWLvIg3rOOe4qrObv7OGN3X42EZDNnAH5mXkloIZuMzdEV82fDBcA5rCUUg=="
    ),
    "no_group": (
        "eNrr9HBx4+WS4mLm4GCAgf9QYMYI4RtAxXu+zY3z93AJYmKoYBJCVggDXEwMQC1sAgxAitW/JCO1aDPMTBcGqoC9Ni"
        "yTiHACQwQDzcDRnSfWAAAcozfk"
    ),
    "group_is_data": (
        "eNrr9HBx4+WS4mLm4GCAgf9QcJwRwjeAijOtu5vn7+ESxMRQwSSErBAGuJgYgFrYBBmAFFtYiDfQ7M0wQ50ZqAH0a9"
        "ojwE5gZGBkFAE6iREIoHIwmpmHgVEA6BuIhxwYWIGuYubiALqYmXE/VBHcszsYhiyoP5n5HuZnAARYKMM="
    ),
    "type_unknown": (
        "eNrr9HBx4+WS4mLm4GCAgf9QoCkC4RtAxVlKXVz8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1lBpiANAMtu4ISJWUBkeRwYGZgYOBh4GoKfCUouKM/PzGASAfoZ424GBiZGRkQmqGJ2GAey+"
        "FhViYMEUhWi2OF6sD3YvIwMjI9BmkC2MUNNgNDMPAyOyS1iBnmDm4gDaxcyYD3UCPHJ2MAxZwK1xuZ4FLWTZiNL5wR"
        "6/OCF5BGDEFbOwuEATZ0ZzJysrDhscoPHkwDAKRsEoGAWjYBSMAjTg7+zhDWqe/eGB8F1g9askqG7m8yvNTUot8k8L"
        "yM/MKylOhtXWDEUqb3wpaUaVD6Nm1PRDFqtgwejDBxEzhgWjBCg8eGHB6Jyak1O8igumc5+Zlw4loVg/jEIxRyS/Bh"
        "SK0M4KJME58EKDUQkkKA4Pxvy8vNTkksyyzJJKz5TiD9CuBYOXo7IVPDxVgOEJDFAWtIYjOp9ZhIFRUMEeHr4m3Awm"
        "/4GSyOHcDg3nBJhjFwz+8IxTEqiDpcpufoiYBVQOJHZeADWlAsEZ45QJ6MmRDa29jS85PmdC7Z4O5eT4I9iRBxZ8fE"
        "IQMUNYWIiDUiMPciqsh+Z7hgiZ34fRw5AZPcnhCUNxqCKJYRCGdstUP4OztAAovFhDKgtSi5kEoWEoBBJj909LK04t"
        "KT4MTaAMjwL2daAHH3rnHxx88BKSAyX49JnRupNDuV65rmoOS4L3hCFi3jBJQSwa7vTdz0MPPBb0Yo+I4s4QGogKMI"
        "M3DL3A+2a9IBocFgr7JzFmI2P8Q2U8oHTFWGAPzfIMHtRz0tuQw3fB2UEEZAcnuIZzSSxJ9IbGLY86qIhgBUYNMLJA"
        "mYVBGOgiXmhq9gAKFIUUpaa6F2WmXAz0swAAofLneA=="
    ),
    "type_number": (
        "eNrr9HBx4+WS4mLm4GCAgf9QoCEC4RtAxf82p6/393AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUQYGDI54IIW0OlIQ4AyWzjhohYQWV4HBkYmBk4GHgYgJ4KSy0qzszPYxAA+hnibQcGJkZGRiaoYnQaBrD7"
        "WlSIgQVTFKLZ4nixPti9jAyMjECbQbYwQk2D0cw8DIzILmEFeoKZiwNoFzNjPtQJ8MjZwTBkAbfG5XoWtJBlI0rnB3"
        "v84oTkEYARV8zC4gJNnBnNnaysOGxwgMaTA8MoGAWjYBSMglEwCtCAv7OHN6h59ocHwneB1a+SoLqZz680Nym1yD8t"
        "ID8zr6Q4GVZbMxSpvPGlpBlVPoyaUdMPWayCBaMPH0TMGBaMEqDw4IUFo3NqTk7xKi6Yzn1mXjqUhGL9MArFHJH8Gl"
        "AoQjsrkATnwAsNRiWQoDg8GPPz8lKTSzLLMksqPVOKP0C7FgxejspW8PBUAYYnMEBZ0BqO6HxmEQZGQQV7ePiacDOY"
        "/AdKIodzOzScE2COXTD4wzNOSaAOliq7+SFiFlA5kNh5AdSUCgRnjFMmoCdHNrT2Nr7k+JwJtXs6lJPjj2BHHljw8Q"
        "lBxAxhYSEOSo08yKmwHprvGSJkfh9GD0Nm9CSHJwzFoYokhkEY2i1T/QzO0gKg8GINqSxILWYShIahEEiM3T8trTi1"
        "pPgwNIEyPArY14EefOidf3DwwUtIDpTg02dG604O5Xrluqo5LAneE4aWcDBJQSwaFnm4XEcPPBb0Yo+I4s4QGogKMI"
        "M3DL3A+2a9IBocFgr7JzFmI2P8Q2U8oHTFWGAPzfIMHtRz0tuQw3fB2UEEZAcnuIZzSSxJ9IbGLY8aqIhgZeABRRYo"
        "s6AOhwFJdqhJqVPuzAUAv+DkTg=="
    ),
    "version_new": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q4CwC4RtAxY943G3w93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUQYGDI54IIW0OlIQ4AyWzjhohYQWWwO1hUiIEFU5RHi4GBmYGVgQMkGVJZkMogDDIVZAoQh+YVlxSVJpeU"
        "FqWmuBdlpoBs+8MDscUF5k5WKN2+enoj2L2MDIyMwOBkYgQCqByMZuZhYBQAhj4kAhwYWIGeYObiADqYmTGfCaIGHj"
        "k7GIYs4Na4XM8Ciw4ozUaUzg/2+MUJySMAI5r9DGh8ZjRxZjR3srLisMEBGk8ODKNgFIyCUTAKRsEoQAP+zh7eoAaT"
        "Dx+EbwyrXyVBdTOfX2luUmqRf1pAfmZeSXEyrLZmCJ660ZGSZlT5MGpGTT9ksQoUjNBmNiSoHHih4SgBEuSFhaNzak"
        "5O8SpoI5nh/Hcrc0pCsX4YhWKOSH4NLDF280PELGCJUQkUHuLwQMzPy0tNLsksyyyp9Ewp/sANM2PDE41oeHiqAMMT"
        "GKAsaA1HdD6zCAOjoII9PHxNuBlM/gMlkcO5HRrOCTCLFgz+8IxTEqiDhed5AbTMLQQKT3b/tLTi1JLiw9DQZlBZn7"
        "MWPTmyobW38SXH50yo3dOhnBx/BDvygDO1OCioeJCTXD20qGQTAEmxgvqjxUyCUH1CT2yD0cOQGT3J4QlDcagiiWEQ"
        "hnbLVD/DkuA9YYhYKkxSGKuWpweeTkUPPib0LiEo+OAlJAdK8Okzo3Unh3K9cl3VnPT6HC3wWNCLPSKKO0NoICrAy9"
        "WhF3jfrBdAqgKF/ZMYs5Ex/qEyHlC6YiywF4Ka40E9J70NOXwXXKSIgOzgBLcTXBJLEr2hWYHHEVREcDDwMAAVhKUW"
        "FWfm5zEglxPYMgMnmiV7bjw5AADbTuqN"
    ),
    "points_two_columns": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0ZlOxhxxByMz4wmzozmDlZWVPkP9lCGAzQeHBhGwSgYBaNgFIyCUUAi8Hf2"
        "8AY1z/7wQPgusPpXElR38/mV5ialFvmnBeRn5pUUJ8Nqc4YilTe+lDSjyodRM2r6IYtVsGD04YOIGcOCUQIUHrywYH"
        "ROzckpXsUF07nPzEuHklCsH0ahmCOSXwMKRewdGTYlUIiIw8MxPy8vNbkksyyzpNIzpfgDtG9RuXxHHzw8VYDhCQxQ"
        "9AYuOp9ZhIFRUMEeHr4m3Awm/4GtUORwbmdCaXMyMCwY/OGpsSBBEhSeokIgL6OHJyitdvNDVFrAtMQZ/16EnhzZ0N"
        "rj+JLjcSbU7ulQTo7LT7A9gmXq8wJomVoclBh5kBNhPTTfM3QYCx9GD0NmtL4NvjD8Dg1DiWEQhm4ygpthYcgnBBEz"
        "hIWhECgM2f3T0opTS4oP88PqlV9Xi9CDD73zDw4+eAnJgRJ8/Mxo3c0hHHyuR7JXgIIPOnwDqYIdeCGSoDC9Jwxhm0"
        "A1qIQGS6IHHgtasUdMcScIDUQFmEs2DL3A++K1CZIPFfZPYsxGxviHynhAYc1YYA9Nrgwe1HPS25DDd8HxKQCygxU0"
        "XFXMJAjNDiIgMU5wHLskliR6Q6PWedWeTgBFwOWK"
    ),
    "points_text": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghywalE5OSUxjQwgU99GF8ZjRxZjSzWFlR5T/YQxkO0LB0YBgFo2AUjIJRMApG"
        "AR2Bv7OHN6h59ocHwneB1d2SoHqfz680Nym1yD8tID8zr6Q4GdYSYChSeeNLSTOqfBg1o6YfslgFC0YfPoiYMSwYJU"
        "DhwQsLRufUnJziVVwwnfvMvHQoCcX6YRSKOSL5NaBQxN6RYVMChYg4PBzz8/JSk0syyzJLKj1Tij9A+xaVy3f0oYcn"
        "rIELo5k5GBhBnQRQ+CKHZTsTqjqGPUM7Y0fJLFQBhaeoEMhL6OEJSqvd/BCVFjAtcca/F6EHHxtaWx5fcuxmQu2eDu"
        "XkOEcpYy4sU58XQMvU4qDkw4OcCOuh+Z6hw1j4MHoYMqP1i/CF4W5oGEoMgzBc9DClDhaGfEIQMUNYGAqBwpDdPy2t"
        "OLWk+DA/rF75dbUIPfjQO//g4IOXkBwowXeZCa2rOoSD7/dm26ug4IMO30CqYAdeiCQoTO8JQ9gmUA0qocGSBIs/EQ"
        "ZGQQV7eNoz4WYw+c+MWhRehYaeAswlG4Ze4L1u9lIEh4XC/kmM2cgY/1AZDyisGQvsocmVwYN6TnobcvguOD4FQHaw"
        "goaripkEodlBBCTGCY5jl8SSRG9o1Dqv2tMJAIXE5jg="
    ),
    "types_float": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0aUzg/2+MUJySMAI46YhfGZ0cSZsbpTxAGVxrAPKs7hwDAKRsEoGAWjYBSM"
        "AgZ/Zw9vUPPsDw+E7wKrXyVBdTOfX2luUmqRf1pAfmZeSXEyrLZmKFJ540tJM6p8GDWjph+yWAULRh8+iJgxLBglQO"
        "HBCwtG59ScnOJVXDCd+8y8dCgJxfphFIo5Ivk1oFDE3pFhUwKFiDg8HPPz8lKTSzLLMksqPVOKP0D7FpXLd/TBw1MF"
        "GJ7AAGVBazii85lFGBgFFezh4WvCzWDyHyiJHM7t0HBOgDl2weAPzzglgTpQeIoKgbyMHp6gtNrND1FpAddi/HsRen"
        "JkQ2tv40uOz5lQu6dDOTn+CHbkgWXq8wJomVoclBh5kBNhPTTfM3QYCx9GD0Nm9CSHJwzFoYokhkEY2i1T/QwLQz4h"
        "iJghLAyFQGHI7p+WVpxaUnyYH1av/LpahB586J1/YnKsPjQYBWBu2TD0gi/ozYdfoOCDDt9AqmAHXqjHgD67Jwxhm0"
        "A1qIQGS6IHHgt6sUdE4NlDA09hCAeezRSdEHBYKOyfxJiNjPEPlfGAwpqxwB6aXBk8qOektyGH74LjUwBkBytouKqY"
        "SRCaHURAYpzgOHZJLEn0hkat86o9nQBIOOxE"
    ),
    "types_missing": (
        "eNrr9HBx4+WS4mLm4GCAgf9QcE0IwjeAiq87Y/nV38MliImhgkkIWSEMcDExMDIwsAkyACm2sBBvoNmbYYY6M1AD6N"
        "e0R0CcsFRAgIEhnwsibA2VhjgAJLONGyJiBZXhcWRgYGbgYOBhEGFgCEstKs7Mz2MQAPoZ4m0HBiZGRkYmqGJ0GgZ4"
        "tECGsAL1sDAwhFQWpDIIg6yDqgzNKy4pKk0uKS1KTXEvykwB6XCMU34Edi8jAyMj0GaQLYxQ02A0Mw8DI7JLWIGeYO"
        "biAIYwM2M+1AnwyNnBMGQBt8bleha0kGUjSucHe/zihOQRgBFHzML4zGjizHjdCTffARpLDgyjYBSMglEwCkbBKMAA"
        "/s4e3qDm2R8eCN8FVr9KgupmPr/S3KTUIv+0gPzMvJLiZFhtzVCk8saXkmZU+TBqRk0/ZLEKFow+fBAxY1gwSoDCgx"
        "cWjM6pOTnFq7hgOveZeelQEor1wygUc0Tya0ChiL0jw6YEChFxeDjm5+WlJpdklmWWVHqmFH+A9i0ql+/og4enCjA8"
        "gQHKgtZwROczizAwCirYw8PXhJvB5D9QEjmc26HhnABz7ILBH55xSgJ1oPAUFQJ5GT08QWm1mx+i0gKuxfj3IvTkyI"
        "bW3saXHJ8zoXZPh3Jy/BHsyAPL1OcF0DK1OCgx8iAnwnpovmfoMBY+jB6GzOhJDk8YikMVSQyDMLRbpvoZFoYLoUMX"
        "prAwFAKFIbt/WlpxaknxYWhSZAg8/HQlevCxoOdcInKsPjQYFWBu2TD0gu+2gFA5OCwU9k9izEbG+Ed7eEAhy1jAJA"
        "g1x4N6TrohFt4EilHoiBKkVeDAC41SEZAgJ1jQJbEkkQ8a5S/9VucCALwN34k="
    ),
    "data_compound": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0aUzg/2+MUJySMAI46YhfGZ0cSZ0dzJysowCkbBKBgFo2AUjAISgb+zhzeo"
        "efaHB8J3gdWvkqC6mc+vNDcptcg/LSA/M6+kOBlWWzMUqbzxpaQZVT6MmlHTD1msggWjDx9EzBgWjBKg8OCFBaNzak"
        "5O8SoumM59Zl46lIRi/TAKxRyR/BpQKGLvyLApgUJEHB6O+Xl5qcklmWWZJZWeKcUfoH2LyuU7+uDhqQIMT2CAsqA1"
        "HNH5zCIMjIIK9vDwNeFmMPkPlEQO53ZoOCfAHLtg8IdnnJJAHSg8RYVAXkYPT1Ba7eaHqLSAazH+vQg9ObKhtbfxJc"
        "fnTKjd06GcHH8EO/LAMvV5AbRMLQ5KjDzIibAemu8ZOoyFD6OHITN6ksMThuJQRRLDIAztlql+hoUhnxBEzBAWhkKg"
        "MGT3T0srTi0pPswPq1d+XS1CDz70zj84+OAlJAdK8Okzo3Unh3K9cl3VHBR80OEbSBXswAuRBIXpPWEI2wSqQSU0WB"
        "I98FjQiz09BsYwYOiAqvsKBgZsJV8lAwcodUJ0KKAEryEzWg6fNlgDr5Evayk4LBT2T2LMRsb4h8p4QGHNWGAPTa4M"
        "HtRz0tuQw3fB8SkAsoMVNFxVzCQIzQ4iIDFOcBy7JJYkekOj1nnVnk4A7CvoWA=="
    ),
    "data_too_short": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0aUzg/2+MUJySMAI46YhfGZ0cSZ0dzJysowCkbBKBgFo2AUjAISgb+zhzeo"
        "efaHB8J3gdWvkqC6mc+vNDcptcg/LSA/M6+kOBlWWzMUqbzxpaQZVT6MmlHTD1msggWjDx9EzBgWjBKg8OCFBaNzak"
        "5O8SoumM59Zl46lIRi/TAKxRyR/BpQKGLvyLApgUJEHB6O+Xl5qcklmWWZJZWeKcUfoH2LyuU7+uDhqQIMT2CAsqA1"
        "HNH5zCIMjIIK9vDwNeFmMPkPlEQO53ZoOCfAHLtg8IdnnJJAHSg8RYVAXkYPT1Ba7eaHqLSAazH+vQg9ObKhtbfxJc"
        "fnTKjd06GcHH8EO/LAMvV5AbRMLQ5KjDzIibAemu8ZOoyFD6OHITN6ksMThuJQRRLDIAztlql+hoUhnxBEzBAWhkKg"
        "MGT3T0srTi0pPswPq1d+XS1CDz70zj84+OAlJAdK8Okzo3Unh3K9cl3VHBR80OEbSBXswAuRBIXpPWEI2wSqQSU0WJ"
        "Jg2iOiuDNET4Mbhl7geTJYG4LDQmH/JMZsZIx/qIwHFNaMBfbQ5MrgQT0nvQ05fBccnwIgO1hBw1XFTILQ7CACEuME"
        "x7FLYkmiNzRqnVft6QQAqnDlvA=="
    ),
    "cell_type_unknown": (
        "eNrr9HBx4+WS4mLm4GCAgf9QICQC4RtAxbnsKzP8PVyCmBgqmISQFcIAFxMDIwMDmyADkGILC/EGmr0ZZqgzAzWAfk"
        "17BMQJSwUEGBjyuSDC1jAXgh0AktnGDRGxgsrwODIwMDNwMPAwAD0VllpUnJmfxyAA9DPE2w4MTIyMjExQxeg0DPBo"
        "gQxhBephYWAIqSxIZRAGWQdVGZpXXFJUmlxSWpSa4l6UmQLS4Rin/AjsXkYGRkagzSBbGKGmwWhmHgZGZJewAj3BzM"
        "UBDGFmxnyoE+CRs4NhyAJujcv1LGghy0aUzg/2+MUJySMAI46YhfGZ0cSZ0dzJmozDBgdoPDkwjIJRMApGwSgYBaMA"
        "Dfg7e3iDmmd/eCB8F1j9Kgmqm/n8SnOTUov80wLyM/NKipNhtTVDkcobX0qaUeXDqBk1/ZDFKlgw+vBBxIxhwSgBCg"
        "9eWDA6p+bkFK/iguncZ+alQ0ko1g+jUMwRya8BhSL2jgybEihExOHhmJ+Xl5pcklmWWVLpmVL8Adq3qFy+ow8enirA"
        "8AQGKAtawxGdzyzCwCioYA8PXxNuBpP/QEnkcG6HhnMCzLELBn94xikJ1IHCU1QI5GX08ASl1W5+iEoLuBbj34vQky"
        "MbWnsbX3J8zoTaPR3KyfFHsCMPLFOfF0DL1OKgxMiDnAjrofmeocNY+DB6GDKjJzk8YSgOVSQxDMLQbpnqZ1gY8glB"
        "xAxhYSgECkN2/7S04tSS4sP8sHrl19Ui9OBD7/yDgw9eQnKgBJ8+M1p3cijXK9dVzUHBBx2+gVTBDrwQSVCY3hOGsE"
        "2gGlRCgyXRA48FvdgjorgzhAaiAswlG4Ze4H2zXhANDguF/ZMYs5Ex/qEyHlBYMxbYQ5Mrgwf1nPQ25PBdcHwKgOxg"
        "BQ1XFTMJQrODCEiMExzHLoklid7QqHVetacTAOmu6VI="
    ),
    "steps_without_times": (
        "eNrr9HBx4+WS4mLm4GCAgf9QsF0BwjeAimfziTzw93AJYmKoYBJCVggDXEwMjAwMbIIMQIotLMQbaPZmmKHODNQA+j"
        "XtERAnLBUVYmDB5QQeRwYGZgYOBh4GEQaGsNSi4sz8PAYBoA8hnnRgYGJkZGSCmolOwwCPFsgQVqAeoD0hlQWpDMJA"
        "owWgKkPzikuKSpNLSotSU9yLMlMgITJVBKJXXRRCL+17MB3sXkYGRkagHMheRqj5MJqZh4ER2W2sQC8wc3EAzWNmzI"
        "c6Ch45OxiGLODWuFzPghbWbETp/GCPX5yQPAIw4ohrGJ8ZTZwZzZ2srDhscIDGE5QWgNIiUFoCSss4UBqK6KkHBlgY"
        "RsEoGAWjYBSMgsEK/J09vLE33NgkQHUar19pblJqkX9aQGJRSfF5aYiukGSVGQyUNKPKh1Ezavohi1WgYBQAtkT/8E"
        "DEnGDNFHFQePAE5GfmlfinpRWnlhSvloBp/FbY9pCiUKwfRqGYI5JfAwvFKjmImC0sFBVA4SHqnJ+Xl5pcklmWWVLp"
        "mQINzsNSMBMCou9uYUCEpwowPIEByoLWcETnM4swMAoq2MPD14SbweQ/UBI5nNuh4ZwAs2rB4A/POCWBOnLKA7TkyI"
        "bW3saXHJ8zoXZPh3Jy/BHsyANLjvlcEDErWFiIgZIjt3NqTg40EW6XhOnbsM7hIHoYMqMnOTxhKA5VJDEMwtBumepn"
        "KiRB9OEAcPDBS0gOlODTZ0brTg7leuW6qrlbcLArgy907IJRi5HhGogheqe4lsjAg1UNHCQUd4bMKF1oYKIeeoH3hz"
        "eKDxwWCvsnMWYjY/xDZTygdMVYYC8ENceDek56G3L4LgO5+YGhAlQSbeOGCFlCpSCOBsl080NELGBjZRqg8oadgQdU"
        "4fkFl6QWFKOOtyGP+UDKM1ALD1qezRdHWN/2LXGJW5BHANAwkBYBBoxhSS1oWwWWTnEN4HES6WEWJJ0QoxWA9HY5mN"
        "i9g0W8TiEeLgysIHWgIEnRmC8KswNmy/OFmsJuwUBVDDD34R6pCWCoANoBk+GDRj6sZQGjFW5YsTiF+LgxsOpNy/Vm"
        "yAAKCTJ0bJ9YwLAJNLLEYOHY1cMwAcgUYsjfvmw9gxuQqcSwRUfrDsMi0BAUw3X5HfcZjoGZyxoev2KoBDLFGZiLo9"
        "8w6IHL/OQ/if8YQD6RZPCbmmc/2j0ZfP0lYionHHV7IbRcFRgGldPe65pOlIRF4zAKi/9TuK9QEhYTh1FY7J/dX0pJ"
        "WCwcRmHRG/swnJKw2DiMwiLgzdzLlITFwWEUFiofsl9R0Da9LUP9tunTEhFHUHcXu/1s0iCbBcCjWC6JJYnQVuJzWY"
        "jm8/uevXPzcHGCT7aCQPl7gymMDHzw4UOQ3uJkeEsMPq4I6kUXr+KCiYvDxVEGe4o/cMNUsEGMcuCFCfAgK63ngwmz"
        "wwaI+GEirKA542ImQRifE+4hb2G4GnBTWUhktKVDGgAA4GCbRQ=="
    ),
    "steps_too_many": (
        "eNrr9HBx4+WS4mLm4GCAgf9Q8FcRwjeAirecPv7b38MliImhgkkIWSEMcDExMDIwsAkyACm2sBBvoNmbYYY6M1AD6N"
        "e0R0CcsFRUiIEFlxN4HBkYmBk4GHgYRBgYwlKLijPz8xgEgD6EeNKBgYmRkZEJaiY6DQM8WiBDWIF6gPaEVBakMggD"
        "jRaAqgzNKy4pKk0uKS1KTXEvykyBhMhUEYhedVEIvbTvwXSwexkZGBmBciB7GaHmw2hmHgZGZLexAr3AzMUBNI+ZMR"
        "/qKHjk7GAYsoBb43I9C1pYsxGl84M9fnFC8gjAiCOuYXxmNHFmNHeysuKwwQEaT1BaAEqLQGkJKC3jgKr/gT2loYqe"
        "mmCAhWEUjIJRMApGwSgYLMDf2cNbANiEei4L4VvB6lcxUA3G7Zyak+OfllacWlJ8WAqmJzNe+xpIKwXNqPJh1Iyafs"
        "hiFSwY//BAxJxgwSgOCg+egPzMvBJoOG6XhLfAGRe2UBSK9cMoFHNE8mtgoXhAHiJmCwtFBVB4iDrn5+WlJpdklmWW"
        "VHqmQIPzvDTMhJNdoY+RUqUKMDyBAcqC1nBE5zOLMDAKKtjDw9eEm8HkP1ASOZzboeGcALNqweAPzzglgTpyygO05M"
        "iG1t7GlxyfM6F2T4dycvwR7MgDS475XBAxC9SyMSCxCJanV0vA9IXGTvdCD0Nm9CSHJwzFoYokhkEY2i1T/UyFJIg+"
        "HAAOPngJyYESfPrMaN3JoVyvXFc1dwsOdmXwhY5dMGoxMoAqXgbRO8W1RAYerGrgIKG4M2RG6UIzMGwYeoH3hzeKDx"
        "wWCvsnMWYjY/xDZTygdMVYYC8ENceDek56G3L4LgO5+YGhAlQSdfOjlkQQR4NktnFDRCxhY2UaoPKGnYEHVOH5BZek"
        "FhSjjreBqFOzrMHlGXR8MDGnNLV4vjhsZAVW1zG/THML8ggAGgbKVwIMGMOSWtC2Ciyd4hrA4yTSwyxIOiFGKwDpv/"
        "JweR7ptU4hHi5AJwLVgTyeojFfFGYHzJbnCzWF3YKBqhhg7sM9MhPAUAG0AybDB418WIMXRivcsGJxCvFxY2DVm5br"
        "zZABFBJk6Ng+sYBhE2hkicHCsauHYQKQKcSQv33ZegY3IFOJYYuO1h2GRaAhKIbr8jvuMxwDM5c1PH7FUAlkijMwF0"
        "e/YdADl/nJfxL/MYB8IsngNzXPnmEUDLr+EqHKiYjytRBavgoM4fL1vllEDFEVNY52TiN6GAzhivr/FO4rlITFxGEU"
        "Fvtn95dSEhYLh1FY9MY+DKckLDYOo7AIeDP3MiVhcXAYhYXKh+xXoL4l9oYomwSoHcLrV5qblFrknwbqZRbfloHoXB"
        "xzez0loXhxGIWisfz8IApa+Ipy1G/ht0RNOgWKWOwz4WzSIJsFwGOBLoklidCxA11ou/bMzedz3TxcnOBT1iBQ/t5g"
        "CiMDHzwxgPQWJ8Pbs/BUAhqnLV7FBRMXh4ujDJkVf+CGqWCDGOXACxPgQVZazwcTZoeN/vLDRFhBM+/FTIIwPifcQ9"
        "7CcDXgDoeQyGh7kTQAAEJCqvk="
    ),
    "assembly_to_nowhere": (
        "eNrr9HBx4+WS4mLm4GCAgf9QwCII4RtAxSf5He7293AJYmKoYBJCVggDXEwMjAwMbEBtjAxsYSHeQLM3wwx1ZqAG0K"
        "9pj4A4YZmAAAODMhNE2BQqDXEASGYeM6rbeRwZGJgZOBh4GEQYGMJSi4oz8/MYBIB+hnjbgYGJkZERahoDOg0DPNog"
        "Q1iBelgYGEIqC1IZhIHWCUJV+pbmlGQ65eQnZ7skliQGp5aAtKjd+s0HdjDPFiYlsCHMTGjBjD0UgeGoACIZeRhh1r"
        "OmZRYVl/Ay6EOCVj8koyg1lU0CrIoFpoo1My8vtSgCZokVZeFtyL/qpb+zhzcoSGv5UYOUTRgUzxyOxcWpuUk5lSlw"
        "d4pMsjcG+1lh/yTGbGS8AhwGzIxEhQCbPIrv2YpTk/PzUrgR3i/PZwhloA1QC3r+DprUQV4/B01N4Yzo6ewIH0TEjJ"
        "rpDBz/Nyd8aQEFvagQKLWhBxEbH0gVs39eqjTUbfetj3SB1GPPmjzK2JIuJ9Ryz9zE9FRQquVJBSnjgTg/PCM/J9W1"
        "oiQ1rwTDC2ywWEFzORMWn2ADPAEgi9iB1gAt8i/KTM/MYxBUsIfbYcLNYPIf6DOQXVAPMjATiDSeQEjYg80MLkhMzs"
        "xLJ9HQD/boNKfFqRRwSmBkYGQ0AeplBmpG8ywzmmfRxZl5GBgF4PIcDKzA5MPMxSEEygqGbGgBOYNh0IKvHPOEGRiZ"
        "mFlYGUbBKBgFo2AUjIJRMIIA9oY9/g4hD6jpw1isCms2eFDPOWuWin3G00oWAdnMGZCfmVcCat4aQlvrN/lXH0Nq3q"
        "/lx9a8x24kdRr4DAwnrovF4G6uQ5v3wC7OL6iTc2eaeo4272nSvAcATk9nTw=="
    ),
}
PLACES: dict[str, dict[str, int]] = {
    "grid": {
        "Connectivity": 743,
        "NumberOfCells": 631,
        "NumberOfConnectivityIds": 639,
        "NumberOfPoints": 623,
        "Offsets": 791,
        "Points": 647,
        "Types": 815,
    },
    "polyhedron": {
        "FaceConnectivity": 848,
        "FaceOffsets": 944,
        "NumberOfFaces": 824,
        "PolyhedronToFaces": 984,
    },
    "series": {
        "Steps/CellOffsets": 929,
        "Steps/NumberOfParts": 961,
        "Steps/PointDataOffsets/p": 977,
        "Steps/Values": 881,
    },
    "surface": {"Polygons/Connectivity": 759},
}

BIG = 10**12
# name -> (base, array, which value, what it becomes)
VALUES: dict[str, tuple[str, str, int, int | float]] = {
    "points_many": ("grid", "NumberOfPoints", 0, BIG),
    "points_negative": ("grid", "NumberOfPoints", 0, -4),
    "points_too_few": ("grid", "NumberOfPoints", 0, 3),
    "points_enormous": ("grid", "NumberOfPoints", 0, 2**62),
    "points_nan": ("grid", "Points", 4, float("nan")),
    "cells_many": ("grid", "NumberOfCells", 0, BIG),
    "cells_negative": ("grid", "NumberOfCells", 0, -2),
    "cells_one_less": ("grid", "NumberOfCells", 0, 1),
    "cells_none": ("grid", "NumberOfCells", 0, 0),
    "ids_many": ("grid", "NumberOfConnectivityIds", 0, BIG),
    "nodes_out_of_range": ("grid", "Connectivity", 5, 4),
    "nodes_negative": ("grid", "Connectivity", 5, -5),
    "nodes_enormous": ("grid", "Connectivity", 5, 2**62),
    "offsets_decrease": ("grid", "Offsets", 1, 9),
    "offsets_enormous": ("grid", "Offsets", 1, 2**62),
    "offsets_start_late": ("grid", "Offsets", 0, 1),
    "faces_many": ("polyhedron", "NumberOfFaces", 0, BIG),
    "face_out_of_range": ("polyhedron", "PolyhedronToFaces", 2, 9),
    "face_node_out_of_range": ("polyhedron", "FaceConnectivity", 2, 77),
    "face_offsets_decrease": ("polyhedron", "FaceOffsets", 2, 1),
    "step_parts_many": ("series", "Steps/NumberOfParts", 1, BIG),
    "step_cells_negative": ("series", "Steps/CellOffsets", 1, -1),
    "step_data_out_of_range": ("series", "Steps/PointDataOffsets/p", 1, 10**6),
    "step_time_nan": ("series", "Steps/Values", 1, float("nan")),
    "surface_out_of_range": ("surface", "Polygons/Connectivity", 1, 40),
}
# These are bad as they are.
BAD = (
    "declared_only", "external_link", "soft_link", "virtual", "external_storage", "cycle",
    "image_enormous", "image_too_little_data", "image_no_extent", "image_extent_nan",
    "no_group", "group_is_data",
    "type_unknown", "type_number", "version_new", "points_two_columns", "points_text",
    "types_float", "types_missing", "data_compound", "data_too_short", "cell_type_unknown",
    "steps_without_times", "steps_too_many", "assembly_to_nowhere",
)  # fmt: skip
GOOD = ("grid", "polyhedron", "series", "surface", "image", "blocks")


def base(name: str) -> bytes:
    """A file as it was written."""
    return zlib.decompress(base64.b64decode(BASES[name]))


def corpus() -> dict[str, bytes]:
    """File name -> content."""
    files = {name: base(name) for name in BAD}
    for name, (which, array, index, value) in VALUES.items():
        data = bytearray(base(which))
        at = PLACES[which][array] + 8 * index
        data[at : at + 8] = struct.pack("<d" if isinstance(value, float) else "<q", value)
        files[name] = bytes(data)
    good = base("grid")
    files |= {
        "type_of_cell_unknown": _byte(good, PLACES["grid"]["Types"], 250),
        "type_of_cell_wrong": _byte(good, PLACES["grid"]["Types"], 12),
        "cut_in_half": good[: len(good) // 2],
        "cut_after_superblock": good[:60],
        "cut_after_magic": good[:8],
        "superblock_damaged": good[:9] + bytes(40) + good[49:],
        "truncated_to_nothing": b"",
        "zeros": bytes(1500),
        "magic_and_zeros": good[:8] + bytes(1500),
        "random_bytes": bytes((i * 7919 + 13) % 251 for i in range(1500)),
    }
    return files


def _byte(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


def seeds() -> dict[str, bytes]:
    """Good files: every type of data set, one step and several."""
    from meshop.io.vtkhdf import write_vtkhdf
    from meshop.mesh import Mesh

    files = {name: base(name) for name in GOOD}
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((2000, 3)),
        [("tetra", np.random.default_rng(0).integers(0, 2000, (500, 4)))],
        field_data={"title": "a mesh"},
    )
    with tempfile.TemporaryDirectory() as folder:
        write_vtkhdf(mesh, Path(folder, "a.vtkhdf"))
        files["compressed"] = Path(folder, "a.vtkhdf").read_bytes()
    return files


# -- how the files were made ----------------------------------------------------------------------


def _group(file, kind: str = "UnstructuredGrid", path: str = "VTKHDF"):
    group = file.create_group(path)
    group.attrs["Version"] = [2, 0]
    group.attrs["Type"] = np.bytes_(kind)
    return group


def _fill(group, **changes) -> None:
    arrays = {
        "NumberOfPoints": [4], "NumberOfCells": [2], "NumberOfConnectivityIds": [6],
        "Points": np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float),
        "Connectivity": [0, 1, 2, 0, 2, 3], "Offsets": [0, 3, 6],
        "Types": np.array([5, 5], np.uint8), "PointData/p": np.arange(4.0),
    } | changes  # fmt: skip
    for name, values in arrays.items():
        if values is not None:
            group[name.replace("__", "/")] = values


def _makers() -> Iterator[tuple[str, Callable]]:
    import h5py

    def plain(**changes):
        return lambda file: _fill(_group(file), **changes)

    def polyhedron(file):
        _fill(
            _group(file), NumberOfCells=[1], NumberOfConnectivityIds=[4], Connectivity=[0, 1, 2, 3],
            Offsets=[0, 4], Types=np.array([42], np.uint8), NumberOfFaces=[4],
            NumberOfFaceConnectivityIds=[12], NumberOfPolyhedronToFaceIds=[4],
            FaceConnectivity=[0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3], FaceOffsets=[0, 3, 6, 9, 12],
            PolyhedronToFaces=[0, 1, 2, 3], PolyhedronOffsets=[0, 4],
        )  # fmt: skip

    def series(file, times=(0.0, 0.5), count=2):
        group = _group(file)
        _fill(group, **{"PointData/p": np.arange(8.0)})
        steps = group.create_group("Steps")
        steps.attrs["NSteps"] = count
        if times:
            steps["Values"] = np.array(times)
        for name in ("PartOffsets", "PointOffsets", "CellOffsets", "ConnectivityIdOffsets"):
            steps[name] = [0, 0]
        steps["NumberOfParts"] = [1, 1]
        steps["PointDataOffsets/p"] = [0, 4]

    def surface(file, path="VTKHDF"):
        group = _group(file, "PolyData", path)
        group["NumberOfPoints"], group["Points"] = [3], np.eye(3)
        for name in ("Vertices", "Lines", "Polygons", "Strips"):
            cells = [0, 1, 2] if name == "Polygons" else []
            group[f"{name}/NumberOfCells"] = [len(cells) // 3]
            group[f"{name}/NumberOfConnectivityIds"] = [len(cells)]
            group[f"{name}/Connectivity"] = np.array(cells, np.int64)
            group[f"{name}/Offsets"] = [0, 3] if cells else [0]

    def image(file, extent=(0, 2, 0, 1, 0, 0), path="VTKHDF", size=6):
        group = _group(file, "ImageData", path)
        if extent is not None:
            group.attrs["WholeExtent"] = extent
        group.attrs["Origin"], group.attrs["Spacing"] = [0.0, 0, 0], [1.0, 1, 1]
        if size:
            group["PointData/s"] = np.arange(size, dtype="u1").reshape(1, -1, 3)

    def blocks(file, target="/VTKHDF/One"):
        group = _group(file, "MultiBlockDataSet")
        group.create_group("Assembly", track_order=True)["first"] = h5py.SoftLink(target)
        group["Assembly/inner/second"] = h5py.SoftLink("/VTKHDF/Two")
        image(file, path="VTKHDF/One")
        image(file, path="VTKHDF/Two", size=0)

    def declared(file):
        _fill(_group(file), Points=None, NumberOfPoints=[10**12])
        file["VTKHDF"].create_dataset("Points", (10**12, 3), "f8", chunks=(10**6, 3))

    def linked(kind):
        def make(file):
            _fill(_group(file), Points=None)
            link = h5py.ExternalLink("/etc/passwd", "/x") if kind else h5py.SoftLink("/VTKHDF/q")
            file["VTKHDF/Points"] = link

        return make

    def virtual(file):
        _fill(_group(file), Points=None)
        layout = h5py.VirtualLayout((4, 3), "f8")
        layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4, 3))
        file["VTKHDF"].create_virtual_dataset("Points", layout)

    def outside(file):
        _fill(_group(file), Points=None)
        file["VTKHDF"].create_dataset("Points", (4, 3), "f8", external=[("/etc/passwd", 0, 96)])

    def cycle(file):
        _fill(_group(file))
        file["VTKHDF/again"] = file["VTKHDF"]

    def typed(kind):
        def make(file):
            _fill(_group(file))
            file["VTKHDF"].attrs["Type"] = kind

        return make

    def version(file):
        _fill(_group(file))
        file["VTKHDF"].attrs["Version"] = [9, 0]

    yield "grid", plain()
    yield "polyhedron", polyhedron
    yield "series", series
    yield "surface", surface
    yield "image", image
    yield "blocks", blocks
    yield "declared_only", declared
    yield "external_link", linked(True)
    yield "soft_link", linked(False)
    yield "virtual", virtual
    yield "external_storage", outside
    yield "cycle", cycle
    yield "image_enormous", lambda f: image(f, (0, 9999, 0, 9999, 0, 9999), size=0)
    yield "image_too_little_data", lambda f: image(f, (0, 2, 0, 2, 0, 0))
    yield "image_no_extent", lambda f: image(f, None)
    yield "image_extent_nan", lambda f: image(f, (float("nan"),) * 6)
    yield "no_group", lambda f: f.create_group("Other")
    yield "group_is_data", lambda f: f.create_dataset("VTKHDF", data=[1])
    yield "type_unknown", typed(np.bytes_(b"HyperTreeGrid"))
    yield "type_number", typed(7)
    yield "version_new", version
    yield "points_two_columns", plain(Points=np.zeros((4, 2)))
    yield "points_text", plain(Points=np.array([b"a", b"b", b"c", b"d"]))
    yield "types_float", plain(Types=np.array([5.0, 5.0]))
    yield "types_missing", plain(Types=None)
    yield "data_compound", plain(**{"PointData/p": np.zeros(4, [("x", "f8"), ("y", "i4")])})
    yield "data_too_short", plain(**{"PointData/p": np.zeros(3)})
    yield "cell_type_unknown", plain(Types=np.array([5, 99], np.uint8))
    yield "steps_without_times", lambda f: series(f, ())
    yield "steps_too_many", lambda f: series(f, count=10**9)
    yield "assembly_to_nowhere", lambda f: blocks(f, "/VTKHDF/Three")


def _write_bases() -> None:
    import h5py

    lines, places = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in _makers():
            path = Path(folder, f"{name}.vtkhdf")
            with h5py.File(path, "w", libver="latest", meta_block_size=1) as file:
                make(file)
            packed = base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()
            rows = [packed[i : i + 90] for i in range(0, len(packed), 90)]
            lines += [f'    "{name}": (', *(f'        "{row}"' for row in rows), "    ),"]
            found: dict[str, int] = {}
            with h5py.File(path) as file:
                file.visititems(
                    lambda key, item, found=found: found.__setitem__(
                        key.removeprefix("VTKHDF/"), item.id.get_offset()
                    ) if isinstance(item, h5py.Dataset) and item.id.get_offset() else None
                )  # fmt: skip
            used = {array for base, array, _, _ in VALUES.values() if base == name}
            used |= {"Types"} if name == "grid" else set()
            if used:
                inside = ", ".join(f'"{key}": {found[key]}' for key in sorted(used))
                places.append(f'    "{name}": {{{inside}}},')
    source = Path(__file__).read_text()
    head, tail = source.split("BASES: dict[str, str] = {", 1)
    tail = tail[tail.index("}\nPLACES") :]
    tail = "}\nPLACES: dict[str, dict[str, int]] = {\n" + "\n".join(places) + "\n" + tail[
        tail.index("}\n\nBIG") if "}\n\nBIG" in tail else 0 :]  # fmt: skip
    Path(__file__).write_text(head + "BASES: dict[str, str] = {\n" + "\n".join(lines) + "\n" + tail)


if __name__ == "__main__":
    _write_bases()
