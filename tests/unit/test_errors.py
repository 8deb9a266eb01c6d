"""Error messages carry path, place and hint."""

from __future__ import annotations

from detkit import errors


def test_the_tree() -> None:
    assert issubclass(errors.InvalidRowsError, errors.InputError)
    assert issubclass(errors.MissingExtraError, errors.UsageError)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.DetkitError)


def test_input_error_names_file_and_place() -> None:
    error = errors.InputError("found `x`", path="a.json", place="byte 12", hint="mend it")
    assert str(error) == "a.json: byte 12: found `x`\nhint: mend it"
    assert (error.path, error.place) == ("a.json", "byte 12")


def test_invalid_rows_count_what_is_not_shown() -> None:
    error = errors.InvalidRowsError(["[0]: a", "[3]: b"], 5)
    assert error.message == "5 unusable rows\n  [0]: a\n  [3]: b\n  and 3 more"
    assert "--drop-invalid" in str(error)


def test_missing_extra_names_the_install_command() -> None:
    assert 'pip install "detkit[parquet]"' in str(errors.MissingExtraError("pyarrow", "parquet"))
