"""CUDA C++ to C++ for the emulated GPU: launches, shared memory and the names ops register under.

Everything else that CUDA adds to the language is a macro or a function of include/emulation.
"""

import re

_BLANKS = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])' """, re.VERBOSE | re.DOTALL
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SHARED = re.compile(r"\b(extern\s+)?__shared__\b")
_BLOCK_OPS = re.compile(r"\bSTABLE_TORCH_LIBRARY(_IMPL|_FRAGMENT)?\s*\(\s*meshop\s*,(\s*CUDA\s*,)?")


class TranslationError(ValueError):
    """The source uses CUDA in a way that this translation does not know."""


def translate(source: str, path: str, namespace: str) -> str:
    """``source`` for a host compiler; line numbers stay those of ``path``."""
    source = _launches(source, path)
    source = _shared_variables(source, path)
    source = re.sub(r"\b__noinline__\b", "", source)

    def renamed(match: re.Match) -> str:
        kind = match[1] or ""
        return f"STABLE_TORCH_LIBRARY{kind}({namespace}," + (" CPU," if match[2] else "")

    source = _BLOCK_OPS.sub(renamed, source)
    return f'#line 1 "{path}"\n{source}'


def _code(source: str) -> str:
    """``source`` with comments and literals blanked, at the same positions."""
    return _BLANKS.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source)


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1


def _launches(source: str, path: str) -> str:
    """``name<<<grid, block, bytes, stream>>>(args)`` as a call of ``emulation::launch``."""
    pieces, done = [], 0
    code = _code(source)
    for match in re.finditer("<<<", code):
        at = match.start()
        begin = _start_of_name(code, at)
        close = _end_of_config(code, match.end())
        if begin is None or close is None:
            raise TranslationError(f"{path}:{_line(source, at)}: not a launch that can be read")
        first = close + 3 + len(code[close + 3 :]) - len(code[close + 3 :].lstrip())
        if first >= len(code) or code[first] != "(":
            raise TranslationError(f"{path}:{_line(source, at)}: expected arguments after >>>")
        last = _matching(code, first)
        name = source[begin:at].strip()
        arguments = source[first + 1 : last].strip()
        config = source[match.end() : close]
        label = re.sub(r"<.*", "", name, flags=re.DOTALL).split("::")[-1]
        new = (
            f"::emulation::launch(::emulation::Config({config}), "
            f'"{label}", [&](auto... emulated) {{ {name}(emulated...); }}'
            f"{', ' if arguments else ''}{arguments})"
        )
        end = last + 1
        lines = source.count("\n", begin, end) - new.count("\n")
        pieces += [source[done:begin], new, "\n" * lines]
        done = end
    return "".join([*pieces, source[done:]])


def _start_of_name(code: str, at: int) -> int | None:
    """Where the kernel's name, with its template arguments, begins that ends before ``at``."""
    i = len(code[:at].rstrip())
    if i and code[i - 1] == ">":
        angles = rounds = 0
        while i:
            i -= 1
            rounds += (code[i] == ")") - (code[i] == "(")
            if rounds == 0:  # a comparison stands in parentheses
                angles += (code[i] == ">") - (code[i] == "<")
                if angles == 0:
                    break
    begin = len(code[:i].rstrip())
    while begin and (code[begin - 1].isalnum() or code[begin - 1] in "_:"):
        begin -= 1
    return begin if code[begin:i].strip() else None


def _end_of_config(code: str, i: int) -> int | None:
    while i < len(code):
        if code[i] in _CLOSING:
            i = _matching(code, i)
        elif code.startswith(">>>", i):
            return i
        elif code[i] == ";":
            return None
        i += 1
    return None


def _matching(code: str, i: int) -> int:
    opening, closing, depth = code[i], _CLOSING[code[i]], 0
    for j in range(i, len(code)):
        depth += (code[j] == opening) - (code[j] == closing)
        if depth == 0:
            return j
    raise TranslationError(f"no {closing} closes the {opening} at {i}")


def _shared_variables(source: str, path: str) -> str:
    """``__shared__`` variables are static, and garbage when a block begins."""
    pieces, done = [], 0
    code = _code(source)
    for match in _SHARED.finditer(code):
        end = code.index(";", match.end())
        declaration = source[match.end() : end].strip()
        where = f"{path}:{_line(source, match.start())}"
        if "=" in _code(declaration):
            raise TranslationError(f"{where}: __shared__ variables take no initialiser")
        names = _declared(_code(declaration))
        if not names:
            raise TranslationError(f"{where}: cannot read this __shared__ declaration")
        if match[1]:
            if len(names) != 1:
                raise TranslationError(f"{where}: one dynamic __shared__ array at a time")
            kind = re.sub(r"__align__\s*\([^)]*\)|alignas\s*\([^)]*\)", "", declaration)
            kind = kind[: kind.rindex(names[0])].strip()
            new = f"{kind}* {names[0]} = static_cast<{kind}*>(::emulation::dynamic_shared())"
        else:
            touches = "".join(f"; ::emulation::shared({name})" for name in names)
            new = f"static {declaration}{touches}"
        lines = source.count("\n", match.start(), end) - new.count("\n")
        pieces += [source[done : match.start()], new, "\n" * max(lines, 0)]
        done = end
    return "".join([*pieces, source[done:]])


def _declared(declaration: str) -> list[str]:
    """The names in ``type a, b[4][N]``."""
    depth, flat = 0, []
    for c in declaration:
        depth -= c in ")]}>"
        flat.append(c if depth == 0 and c not in ")]}>" else " ")
        depth += c in "([{<"
    parts = "".join(flat).replace("[", " ").replace("(", " ").replace("<", " ").split(",")
    names = [re.findall(r"\w+", part) for part in parts]
    return [words[-1] for words in names if words]
