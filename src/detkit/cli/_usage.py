"""What typer refuses, in the words and with the hints of every other error; percentages where shares are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from detkit.errors import UsageError

__all__ = ["did_you_mean", "in_our_words", "refuse_percents"]

#: Every usage error of typer, which gives a public name to only one kind of them.
_REFUSED: type[Exception] = typer.BadParameter.__mro__[1]

_NUMBER = r"(?<![\w.])\d+(?:\.\d*)?(?![\w.])"


@contextmanager
def in_our_words(context: Any) -> Iterator[None]:
    """Raise what typer refuses in the block as an error of ours: one style, one exit code, no second printer."""
    try:
        yield
    except _REFUSED as error:
        raise _reworded(error, context) from None


def did_you_mean(word: str, known: list[str]) -> str | None:
    """The hint with the nearest of the known words, None where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else None


def refuse_percents(text: str | None, flag: str, *, of_a_whole: bool = False) -> None:
    """Refuse `70,30` where `0.7,0.3` is meant; parts of a whole may add up to any number, as 7 and 3 do."""
    shares = None if text is None else _in_shares(text, of_a_whole=of_a_whole)
    if shares is not None:
        raise UsageError(f"{flag}: found `{text}`, expected shares from 0 to 1", hint=f"as shares that is `{shares}`")


def _reworded(error: Any, context: Any) -> UsageError:
    """The error as one of ours, known by what it carries: an unknown option, a refused value, a missing argument."""
    see_help = f"`{context.command_path} --help` lists the options"
    if hasattr(error, "possibilities"):
        unknown = error.option_name
        hint = _goes_before(unknown, context) or did_you_mean(unknown, _flags(context)) or see_help
        return UsageError(f"no such option `{unknown}`", hint=hint)
    parameter = getattr(error, "param", None)
    if parameter is None:
        text = re.sub(r"'([^']*)'", r"`\1`", error.format_message().rstrip("."))
        return UsageError(text[:1].lower() + text[1:], hint=see_help)
    name = _name(parameter)
    if not error.message:
        return UsageError(f"{name} is missing", hint=f"`{_usage(context)}`; {see_help}")
    # Typer's messages begin with the value: `'x' is not a valid ...`, `50.0 is not in the range ...`.
    found = re.match(r"""(?:(['"])(?P<text>.*)\1|(?P<number>\S+)) is not """, error.message)
    if found is None:
        return UsageError(f"{name}: {error.message.rstrip('.')}")
    value = found["text"] if found["number"] is None else found["number"].removesuffix(".0")
    return UsageError(f"{name}: found `{value}`, expected {_expected(parameter)}", hint=_hint(value, parameter))


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"argument {parameter.name.upper()}"
    return str(max(parameter.opts, key=len))


def _flags(context: Any) -> list[str]:
    return [flag for parameter in context.command.params for flag in (*parameter.opts, *parameter.secondary_opts)]


def _goes_before(flag: str, context: Any) -> str | None:
    """The hint for an option of the program that stands behind its command."""
    if context.parent is None or flag not in _flags(context.parent):
        return None
    return f"it goes before the command: `{context.parent.command_path} {flag} {context.info_name} ...`"


def _usage(context: Any) -> str:
    """The command with what it must be given: `detkit eval TRUTH PREDICTIONS`."""
    words = [context.command_path]
    for parameter in context.command.params:
        name = parameter.name.upper()
        if parameter.param_type_name == "argument":
            words.append(name if parameter.required else f"[{name}]")
        elif parameter.required:
            words.append(f"{_name(parameter)} {name}")
    return " ".join(words)


def _expected(parameter: Any) -> str:
    """What a value of a parameter may be."""
    kind = parameter.type
    if choices := _choices(parameter):
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    what = {"int": "a whole number", "integer": "a whole number", "float": "a number"}.get(
        kind.name.partition(" ")[0], f"a {kind.name}"
    )
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is None and high is None:
        return what
    if high is None:
        return f"{what}, {low:g} or more"
    return f"{what} up to {high:g}" if low is None else f"{what} from {low:g} to {high:g}"


def _choices(parameter: Any) -> list[str]:
    return [str(getattr(choice, "value", choice)) for choice in getattr(parameter.type, "choices", ())]


def _hint(value: str, parameter: Any) -> str | None:
    """What a refused value was to be: one of the choices, or a share."""
    if choices := _choices(parameter):
        return did_you_mean(value, choices)
    is_share = parameter.type.name.startswith("float") and getattr(parameter.type, "max", None) == 1
    shares = _in_shares(value.removesuffix("%")) if is_share else None
    return shares and f"as shares that is `{shares}`"


def _in_shares(text: str, *, of_a_whole: bool = False) -> str | None:
    """The text with percentages as shares, `0.7,0.3` for `70,30`; None where it holds none, as 1.5 is none."""
    numbers = [float(number) for number in re.findall(_NUMBER, text)]
    if not any(number >= 2 for number in numbers) or max(numbers) > 100:
        return None
    whole = sum(numbers) if of_a_whole else 100

    def share(found: re.Match[str]) -> str:
        number = float(found[0])
        return f"{number / whole:.10g}" if number > 1 or of_a_whole else found[0]

    return re.sub(_NUMBER, share, text)
