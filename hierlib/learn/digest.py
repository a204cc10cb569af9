"""Names for values by their content, the same in every process: what a stored result was computed from.

A value is read as `pickle` would read it, but functions and classes of the user go in by their code, with their
defaults, closures and the global values that they read, and not by their name. Functions, classes and modules that are
installed, and those of this library, go in by name. Bytecode differs between versions of Python.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import os
import re
import site
import struct
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["content_digest", "shown"]

_LIBRARY = __name__.partition(".")[0]
_PATHS = [*map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")), *site.getsitepackages()]
_INSTALLED = tuple(f"{Path(path)}{os.sep}" for path in (*_PATHS, site.getusersitepackages()))
# What a function does this to is a record that it keeps, such as a list of its calls, and no input.
_CHANGES = {"add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem"} | {
    "popleft", "remove", "setdefault", "update"
}  # fmt: skip
_CODE = ("co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_argcount",
         "co_posonlyargcount", "co_kwonlyargcount")  # fmt: skip


def content_digest(name: str, value: object) -> str:
    """Return a hexadecimal digest of the content of `value`, or raise a ValueError that calls it `name`."""
    try:
        return _Reader().digest(value).hex()
    except _NoContentError as error:
        msg = f"{name} must have a content that can be stored, got {error.args[0]}."
        raise ValueError(msg) from None


def shown(value: object) -> str:
    """Return the representation of a value for a reader, without what differs between processes."""
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


class _NoContentError(Exception):
    """A value that cannot be read: an open file, a lock, a running generator."""


class _Reader:
    """Digests of values, each a hash of its kind and of the digests of its parts."""

    def __init__(self) -> None:
        # The values inside of which we are; and those that are finished, which must live as long as their ids.
        self.around: list[int] = []
        self.finished: dict[int, tuple[bytes, object]] = {}

    def digest(self, value: Any) -> bytes:
        if id(value) in self.finished:
            return self.finished[id(value)][0]
        if id(value) in self.around:
            # A value inside itself, such as a recursive function: how far out it is.
            return struct.pack("<q", len(self.around) - self.around.index(id(value)))
        state = hashlib.sha256(type(value).__qualname__.encode())
        self.around.append(id(value))
        try:
            for part in self.parts(value, type(value)):
                state.update(struct.pack("<q", len(part)) + part)
        finally:
            self.around.pop()
        self.finished[id(value)] = state.digest(), value
        return state.digest()

    def parts(self, value: Any, kind: type) -> Iterator[bytes]:
        """Yield what a value consists of."""
        if kind in (bool, int, str, complex, type(None), type(Ellipsis), type(NotImplemented)):
            yield repr(value).encode()
        elif kind is float:
            yield value.hex().encode()
        elif kind is bytes:
            yield value
        elif kind in (list, tuple):
            yield from map(self.digest, value)
        elif kind in (set, frozenset):
            yield from sorted(map(self.digest, value))
        elif kind in (dict, types.MappingProxyType):
            yield from sorted(self.digest(key) + self.digest(item) for key, item in value.items())
        elif kind is np.ndarray and not value.dtype.hasobject:
            yield repr((value.dtype, value.shape)).encode()
            yield np.ascontiguousarray(value).tobytes()
        elif isinstance(value, np.generic):
            yield repr(value.dtype).encode()
            yield value.tobytes()
        elif kind is types.CodeType:  # without its place in a file
            yield from (self.digest(getattr(value, name)) for name in _CODE)
        elif kind is types.ModuleType:
            yield from self.module(value)
        elif kind is types.FunctionType:
            yield from self.function(value)
        elif isinstance(value, type):
            yield from self.type(value)
        elif kind is types.MethodType:
            yield from map(self.digest, (value.__func__, value.__self__))
        elif isinstance(value, types.BuiltinFunctionType):
            owner = value.__self__ if not isinstance(value.__self__, types.ModuleType) else value.__module__
            yield from map(self.digest, (value.__qualname__, owner))
        elif isinstance(value, staticmethod | classmethod):
            yield self.digest(value.__func__)
        elif isinstance(value, property):
            yield from map(self.digest, (value.fget, value.fset, value.fdel))
        elif isinstance(value, functools.cached_property):
            yield self.digest(value.func)
        elif hasattr(value, "__wrapped__") and hasattr(value, "cache_info"):
            yield self.digest(value.__wrapped__)
        else:
            yield from self.pickled(value, kind)

    def pickled(self, value: Any, kind: type) -> Iterator[bytes]:
        """Read any other object as pickle does."""
        try:
            reduced = copyreg.dispatch_table[kind](value) if kind in copyreg.dispatch_table else value.__reduce_ex__(4)
        except Exception as error:
            msg = f"{shown(value)}: {error}"
            raise _NoContentError(msg) from None
        if isinstance(reduced, str):  # the name of a global
            yield reduced.encode()
            return
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict):
            state = {name: part for name, part in state.items() if not _is_cached(kind, name)}
        yield from map(self.digest, (make, arguments, state))
        yield from (self.digest(tuple(group)) for group in (items, pairs) if group is not None)

    def module(self, module: types.ModuleType) -> Iterator[bytes]:
        yield module.__name__.encode()
        if not _is_installed(module.__name__) and (path := getattr(module, "__file__", None)):
            yield Path(path).read_bytes()

    def function(self, function: types.FunctionType) -> Iterator[bytes]:
        if _is_installed(function.__module__) and _is_reachable(function):
            yield shown(function).encode()
            return
        code = function.__code__
        yield from map(self.digest, (code, function.__defaults__, function.__kwdefaults__, vars(function)))
        changed = _changed_names(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                held = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if name not in changed:
                yield self.digest((name, held))
        for name in sorted(_global_names(code) - changed):
            if name in function.__globals__:
                held = function.__globals__[name]
                try:
                    yield self.digest((name, held))
                except _NoContentError:
                    # An open file or a lock of the module; an argument would be refused.
                    yield self.digest((name, type(held)))

    def type(self, cls: type) -> Iterator[bytes]:
        yield cls.__qualname__.encode()
        if _is_installed(cls.__module__) and _is_reachable(cls):
            yield cls.__module__.encode()
            return
        yield self.digest(cls.__bases__)
        for name, member in sorted(vars(cls).items()):
            # What Python and dataclasses note about a class, and where its slots are.
            noted = name.startswith("__") and not isinstance(member, types.FunctionType | staticmethod | classmethod)
            slot = isinstance(member, types.GetSetDescriptorType | types.MemberDescriptorType)
            if not (noted or slot or name in ("_abc_impl", "__annotate__", "__annotate_func__")):
                yield self.digest((name, member))


def _is_installed(name: str | None) -> bool:
    """Tell whether a module belongs to Python, to an installed package or to this library."""
    top = (name or "").partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names or top == _LIBRARY:
        return True
    path = getattr(sys.modules.get(name or ""), "__file__", None)
    return path is not None and path.startswith(_INSTALLED)


def _is_reachable(value: Any) -> bool:
    """Tell whether the module's attribute of this name is the value: a lambda of an installed package is not."""
    found: Any = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _is_cached(kind: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), functools.cached_property) for base in kind.__mro__)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _global_names(code: types.CodeType) -> set[str]:
    steps = (step for part in _codes(code) for step in dis.get_instructions(part))
    return {step.argval for step in steps if re.fullmatch("LOAD_.*(GLOBALS?|NAME)", step.opname)}


def _changed_names(code: types.CodeType) -> set[str]:
    """Names of the global and enclosing values that a function assigns to or changes in place."""
    changed = set()
    for part in _codes(code):
        steps = list(dis.get_instructions(part))
        places = {
            (step.positions.lineno, step.positions.col_offset)
            for step in steps
            if step.positions is not None
            and (
                step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR")
                or (step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _CHANGES)
            )
        }
        for step in steps:
            loaded = re.fullmatch("LOAD_.*(GLOBALS?|NAME|DEREF)", step.opname)
            assigned = step.opname in ("STORE_GLOBAL", "STORE_DEREF", "DELETE_GLOBAL")
            # An expression such as `calls["a"].append` starts where the name does.
            if assigned or (loaded and step.positions and step.positions[0:3:2] in places):
                changed.add(step.argval)
    return changed
