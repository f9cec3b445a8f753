"""OPA itself, in this process, from a shared library (see ../requirements-opa.txt for where it comes from).

The library offers neither Rego v0 nor lenient errors, although the OPA in it has both: every module is parsed in the default version,
and every query is asked with `rego.StrictBuiltinErrors(true)`. A policy engine as users run it (`opa eval`, `opa run`) is lenient, and
policies may be v0. So the two switches are set in the loaded library, in memory: see `Library.lenient` and `Library.rego_v0`. Both places
are found by the names of their functions and are left alone unless they hold what they hold in the pinned version; `Library.check`
then asks OPA whether it does what it should.
"""

import ctypes
import json
import mmap
import struct


class Refused(Exception):
    """OPA does not take a module; `str()` is its message."""


class Failed(Exception):
    """An evaluation ended with an error; `str()` is OPA's message."""


# Not `None`, which is null.
UNDEFINED = object()


class Library:
    def __init__(self, path):
        self.path = str(path)
        self.library = ctypes.CDLL(self.path)
        handle, text, flag = ctypes.c_uint64, ctypes.c_char_p, ctypes.c_int
        for name, arguments in {
            "OpaAddPolicy": [handle, text, text],
            "OpaEvalDocument": [handle, text, text, flag, flag],
        }.items():
            getattr(self.library, name).argtypes = arguments
            # Not a string: it is to be handed back.
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.OpaNew.restype = handle
        self.library.OpaDestroy.argtypes = [handle]
        self.library.OpaFreeString.argtypes = [ctypes.c_void_p]
        self.symbols = symbols(self.path, {STRICT, PARSE})
        start = ctypes.cast(self.library.OpaNew, ctypes.c_void_p).value
        self.base = start - dynamic_symbol(self.path, "OpaNew")
        self._lenient()
        self._version = self._version_switch()
        self.check()

    def call(self, function, *arguments):
        answer = getattr(self.library, function)(*arguments)
        try:
            return json.loads(ctypes.string_at(answer))
        finally:
            self.library.OpaFreeString(answer)

    def engine(self, modules):
        """An engine with these modules: `[(name, text, is_v0)]`."""
        return Engine(self, modules)

    def _lenient(self):
        """`StrictBuiltinErrors(yes)` stores what it was given; afterwards it stores `false`."""
        #                                             movzbl 0x8(%rdx),%ecx                  xor %ecx,%ecx; nop; nop
        self._replace(self.symbols[STRICT], bytes.fromhex("0fb64a08"), bytes.fromhex("31c99090"))

    def _version_switch(self):
        """`ParseModuleWithOpts` takes its options on the stack, among them a `RegoVersion` that the library leaves 0, the default. Its
        beginning is moved to a page of ours that sets the version first; answers with the place of that version."""
        place = self.base + self.symbols[PARSE]
        # cmp 0x10(%r14),%rsp; jbe more; push %rbp; mov %rsp,%rbp
        begin = bytes.fromhex("493b6610") + bytes.fromhex("0f8692000000") + bytes.fromhex("55") + bytes.fromhex("4889e5")
        more, rest = place + 0x9C, place + len(begin)
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        cave = ctypes.addressof(ctypes.c_char.from_buffer(page))
        jump = lambda to: bytes.fromhex("49bc") + struct.pack("<Q", to) + bytes.fromhex("41ffe4")  # noqa: E731
        code = bytes.fromhex("c644243100")  # movb $0,0x31(%rsp): options begin at 8(%rsp), the version is at 0x29 in them
        code += bytes.fromhex("493b6610") + bytes.fromhex("7611")  # cmp 0x10(%r14),%rsp; jbe over what follows
        code += bytes.fromhex("55") + bytes.fromhex("4889e5") + jump(rest)
        code += jump(more)
        page[: len(code)] = code
        self._page = page
        self._replace(self.symbols[PARSE], begin, jump(cave) + b"\x90")
        return 4

    def rego_v0(self, is_v0):
        self._page[self._version] = 1 if is_v0 else 0

    def _replace(self, offset, old, new):
        place = self.base + offset
        found = ctypes.string_at(place, len(old))
        if found != old or len(old) != len(new):
            raise SystemExit(f"{self.path} is not the library that this script knows: {found.hex()} at {offset:#x}")
        first = place & -mmap.PAGESIZE
        length = place + len(new) - first
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if libc.mprotect(first, length, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) != 0:
            raise SystemExit(f"the library's code cannot be changed: error {ctypes.get_errno()}")
        ctypes.memmove(place, new, len(new))
        libc.mprotect(first, length, mmap.PROT_READ | mmap.PROT_EXEC)

    def check(self):
        v0 = [("v0", "package p\na { input.x == 1 }\nb[x] { x := input.x }\nerror { to_number(\"x\") == 1 }\n", True)]
        with self.engine(v0) as engine:
            assert engine.document("p", {"x": 1}) == {"a": True, "b": [1]}, "Rego v0 and lenient errors"
        for text, is_v0 in [("package p\na { true }\n", False), ("package p\na if { true }\n", True)]:
            try:
                with self.engine([("p", text, is_v0)]) as engine:
                    engine.document("p", {})
            except Refused:
                continue
            raise SystemExit(f"the library takes {text!r} as Rego v{0 if is_v0 else 1}")


class Engine:
    def __init__(self, library, modules):
        self.library, self.modules = library, modules

    def __enter__(self):
        self.handle = self.library.library.OpaNew()
        for name, text, is_v0 in self.modules:
            self.library.rego_v0(is_v0)
            error = self.library.call("OpaAddPolicy", self.handle, name.encode(), text.encode()).get("error")
            if error:
                self.__exit__()
                raise Refused(error["message"])
        return self

    def __exit__(self, *_):
        self.library.library.OpaDestroy(self.handle)

    def document(self, path, question):
        """The document at `data.<path>`, `UNDEFINED` if it is that. Modules of one engine must be of one version."""
        # The modules are parsed again when they are compiled.
        self.library.rego_v0(any(is_v0 for _, _, is_v0 in self.modules))
        text = json.dumps(question, ensure_ascii=False).encode()
        answer = self.library.call("OpaEvalDocument", self.handle, path.encode(), text, 0, 0)
        error = answer.get("error")
        if error:
            raise (Refused if error["code"] == "prepare_error" else Failed)(error["message"])
        results = answer.get("result") or []
        return results[0]["expressions"][0]["value"] if results else UNDEFINED


STRICT = "main.evalCommon.func1.StrictBuiltinErrors.3"
PARSE = "github.com/open-policy-agent/opa/v1/ast.ParseModuleWithOpts"


def sections(image):
    """The section headers of an ELF file: `{type: [(offset, size, link)]}`."""
    start, = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    found = []
    for index in range(count):
        _, kind, _, _, offset, length, link = struct.unpack_from("<IIQQQQI", image, start + index * size)
        found.append((kind, offset, length, link))
    return found


def table(image, wanted_kind, wanted):
    """Offsets of symbols from a symbol table of this kind."""
    found, all_sections = {}, sections(image)
    for kind, offset, length, link in all_sections:
        if kind != wanted_kind:
            continue
        _, names, _, _ = all_sections[link]
        for entry in range(offset, offset + length, 24):
            name, _, _, value = struct.unpack_from("<IBxHQ", image, entry)
            end = image.find(b"\0", names + name)
            text = image[names + name : end].decode()
            if text in wanted:
                found[text] = value
    return found


def symbols(path, wanted):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        found = table(image, 2, wanted)
    if set(found) != set(wanted):
        raise SystemExit(f"{path} is not the library that this script knows: it lacks {set(wanted) - set(found)}")
    return found


def dynamic_symbol(path, name):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        return table(image, 11, {name})[name]
