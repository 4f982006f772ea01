"""YAML that a person wrote: read safely, every key and value with its line.

On top of PyYAML's safe loader, but stricter: no tags, no anchors and aliases, no key twice, no
tabs as indentation, one document, bounded in size and depth. A scalar is text, a truth value,
a plain decimal number or nothing; whatever else YAML would make of it (1_000, 0755, 12:30,
2026-01-01) must be put in quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks.errors import InvalidInput, InvalidInputs

#: Where a value stands in a document: ``("hosts", 3, "address")``.
Place = tuple[str | int, ...]

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 20

#: libyaml's parser is ten times as fast; both give the same events.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
_TAB = re.compile(r" *\t")


@dataclass(frozen=True)
class Mark:
    """Lines count from 1. ``text`` is a scalar as it was written: ``1.10``, not ``1.1``."""

    key_line: int
    line: int
    text: str | None


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each part of it stands.

    Data that came without a file (an API body) is a document without marks.
    """

    data: Any
    file: str | None = None
    marks: Mapping[Place, Mark] = field(default_factory=dict, repr=False)

    def invalid(self, place: Place, message: str, *, at_key: bool = False) -> InvalidInput:
        """A finding at a place; at the nearest thing around it where that is missing."""
        known = place
        while known and known not in self.marks:
            known = known[:-1]
        mark = self.marks.get(known)
        line = None if mark is None else mark.key_line if at_key else mark.line
        return InvalidInput(message, field=field_of(place), file=self.file, line=line)

    def text(self, place: Place) -> str | None:
        mark = self.marks.get(place)
        return mark.text if mark else None


def field_of(place: Place) -> str | None:
    """``("hosts", 3, "address")`` as people and programs read it: ``hosts[3].address``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".") or None


def read_text(path: Path, *, limit: int = MAX_BYTES, name: str | None = None) -> str:
    """The text of a file. Raises InvalidInput that says why it cannot be had, and calls the file
    ``name`` where it only happens to lie at ``path``."""
    name = name or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise InvalidInput(_("there is no file %(path)s") % {"path": name})
    except OSError as error:
        raise InvalidInput(
            _("cannot read %(path)s: %(why)s") % {"path": name, "why": error.strerror}
        )
    if len(content) > limit:
        raise InvalidInput(
            _("%(path)s is larger than %(limit)s") % {"path": name, "limit": _size(limit)}
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            _("this is not UTF-8 text; save the file as UTF-8"), file=name, line=line
        )


def load(text: str, *, file: str, limit: int = MAX_BYTES) -> Document:
    """Read one YAML document. Raises InvalidInputs with every finding, each with its line."""
    if len(text.encode()) > limit:
        message = _("this is larger than %(limit)s") % {"limit": _size(limit)}
        raise InvalidInputs([InvalidInput(message, file=file)])
    reader = _Reader(text, file)
    try:
        data = reader.document()
    except yaml.YAMLError as error:
        reader.findings.append(_syntax_finding(error, text, file))
    if reader.findings:
        raise InvalidInputs(reader.findings)
    return Document(data, file, reader.marks)


class _Reader:
    """Builds plain data from the parser's events, so that nothing is expanded or constructed."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.findings: list[InvalidInput] = []
        self.marks: dict[Place, Mark] = {}
        #: Lines inside quoted and block scalars: a tab there belongs to the text.
        self.scalar_lines: set[int] = set()

    def document(self) -> Any:
        self.loader = _Loader(self.text)
        try:
            self.loader.get_event()  # the stream begins
            if self.loader.check_event(yaml.StreamEndEvent):
                self.refuse(1, (), _("this file is empty"))
                return None
            self.loader.get_event()  # the document begins
            data = self.value(())
            self.loader.get_event()  # the document ends
            if not self.loader.check_event(yaml.StreamEndEvent):
                again = self.loader.get_event().start_mark.line + 1
                self.refuse(again, (), _("a second document begins here; a file holds one"))
        finally:
            self.loader.dispose()
        self.refuse_tabs()
        return data

    def value(self, place: Place, key_line: int | None = None) -> Any:
        event = self.loader.get_event()
        line = event.start_mark.line + 1
        self.marks[place] = Mark(
            key_line or line, line, event.value if isinstance(event, yaml.ScalarEvent) else None
        )
        if isinstance(event, yaml.AliasEvent):
            self.refuse(line, place, _("aliases (*name) are not allowed; write the value out"))
            return None
        if event.anchor is not None:
            self.refuse(line, place, _("anchors (&name) are not allowed; write the value out"))
        if event.tag is not None:
            self.refuse(line, place, _("tags (!…) are not allowed; put text in quotes instead"))
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, place)
        if len(place) >= MAX_DEPTH:
            raise _TooDeep(line)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(place)
        return self.mapping(place)

    def sequence(self, place: Place) -> list[Any]:
        items: list[Any] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self.value((*place, len(items))))
        self.loader.get_event()
        return items

    def mapping(self, place: Place) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            line = self.loader.peek_event().start_mark.line + 1
            key = self.value((*place, ""))
            if not isinstance(key, str):
                self.refuse_key(key, place)
                key = str(key)
            first = self.marks.get((*place, key)) if key in items else None
            if first is not None:
                message = _("this key was given before, on line %(line)s") % {
                    "line": first.key_line
                }
                self.refuse(line, (*place, key), message)
            items[key] = self.value((*place, key), line)
        self.marks.pop((*place, ""), None)
        self.loader.get_event()
        return items

    def scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        line = event.start_mark.line + 1
        if event.style:
            self.scalar_lines.update(
                range(line + 1, event.end_mark.line + (event.style in "'\"") + 1)
            )
        tag: str = self.loader.resolve(yaml.ScalarNode, text, event.implicit)
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind == "str" or tag == event.tag:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        if kind in {"int", "float"} and _PLAIN_NUMBER.fullmatch(text):
            return int(text) if kind == "int" else float(text)
        self.refuse(line, place, in_quotes(text))
        return text

    def refuse_key(self, key: object, place: Place) -> None:
        mark = self.marks[(*place, "")]
        message = _("a key must be text") if mark.text is None else in_quotes(mark.text)
        self.refuse(mark.line, place, message)

    def refuse_tabs(self) -> None:
        if "\t" not in self.text:
            return
        for line, content in enumerate(self.text.split("\n"), start=1):
            if _TAB.match(content) and line not in self.scalar_lines:
                self.refuse(line, (), _tab())

    def refuse(self, line: int, place: Place, message: str) -> None:
        finding = InvalidInput(message, field=field_of(place), file=self.file, line=line)
        self.findings.append(finding)


class _TooDeep(yaml.MarkedYAMLError):
    def __init__(self, line: int) -> None:
        mark = yaml.Mark("", 0, line - 1, 0, None, 0)
        super().__init__(problem=_("it is nested too deeply"), problem_mark=mark)


def in_quotes(text: str) -> str:
    """The remedy for text that YAML takes for something else."""
    return _('YAML does not read %(text)s as text; write it in quotes: "%(text)s"') % {"text": text}


def _syntax_finding(error: yaml.YAMLError, text: str, file: str) -> InvalidInput:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return _control_character(text, file)
    line = mark.line + 1
    lines = text.split("\n")
    if line <= len(lines) and _TAB.match(lines[line - 1]):
        return InvalidInput(_tab(), file=file, line=line)
    problem = _PROBLEMS.get(error.problem or "", error.problem or "")
    message = _("this is not YAML: %(problem)s") % {"problem": problem}
    begun = error.context_mark.line + 1 if error.context_mark else line
    if begun != line:
        message += _(" (in what begins on line %(line)s)") % {"line": begun}
    return InvalidInput(message, file=file, line=line)


def _control_character(text: str, file: str) -> InvalidInput:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    line = text.count("\n", 0, found.start()) + 1 if found else None
    message = _("there is a control character on this line; remove it")
    return InvalidInput(message, file=file, line=line)


def _tab() -> str:
    return _("this line is indented with a tab; YAML wants spaces")


def _size(limit: int) -> str:
    return f"{limit // 1024} KiB" if limit < 1024 * 1024 else f"{limit // (1024 * 1024)} MiB"


_QUOTES = gettext_lazy('a value with ": " in it needs quotes')
_INDENTATION = gettext_lazy('a key or a "-" is missing, or the indentation is wrong')

#: The words of both parsers that people stumble over, in plainer ones.
_PROBLEMS = {
    "mapping values are not allowed in this context": _QUOTES,
    "mapping values are not allowed here": _QUOTES,
    "did not find expected key": _INDENTATION,
    "did not find expected '-' indicator": _INDENTATION,
    "expected <block end>, but found '-'": _INDENTATION,
    "expected <block end>, but found '<block mapping start>'": _INDENTATION,
    "could not find expected ':'": gettext_lazy('a ":" is missing after a key'),
}
