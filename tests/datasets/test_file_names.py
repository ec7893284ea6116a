"""Names of `.linr` files: they say what a file was made of."""

from fiftyone_latent_inr.datasets.file_names import file_name, is_current, settings_suffix


def test_a_name_says_whether_the_file_is_current(tmp_path):
    name = file_name("clips/a b.mp4", "f" * 12, "0123456789")
    assert name == f"a_b-{'f' * 12}-0123456789.linr" and name.endswith(settings_suffix("0123456789"))
    path = tmp_path / name
    assert not is_current(str(path), "f" * 12, "0123456789"), "it is not there"
    path.touch()
    assert is_current(str(path), "f" * 12, "0123456789")
    assert not is_current(str(path), "e" * 12, "0123456789") and not is_current(str(path), "f" * 12, "9876543210")
    assert not is_current(None, "f" * 12, "0123456789")


def test_any_source_has_a_name():
    assert file_name("/clips/....mp4", "f", "s").endswith("-f-s.linr")
    assert len(file_name("x" * 300 + ".mp4", "f", "s")) < 100 and file_name(".", "f", "s") == "video-f-s.linr"
