"""The form of "Fit Latent-INR", and what was filled in."""

from __future__ import annotations

from fiftyone.operators import types

PRESETS = {
    "fast": "Minutes on a CPU for a short clip",
    "balanced": "Better pictures, a few times longer",
    "best": "As good as it gets, for a GPU",
}
DEVICES = {"auto": "a GPU if there is one", "cpu": "the processor", "cuda": "an NVIDIA GPU"}
NO_TEACHER = "none"
DEFAULT_PRIOR = "default"
NO_PRIOR = "none"


def read_form(ctx):
    """Turns the form into arguments.

    Returns:
        the collection to fit, and the keyword arguments of `fit_dataset`.
    """
    params = ctx.params
    preset, teacher = params.get("preset") or "balanced", read_teacher(params)
    options = {
        "preset": preset,
        "teacher": teacher,
        "prior": _read_prior(params),
        "device": read_device(params),
        "quality": 50 if params.get("quality") is None else params["quality"],
        "embeddings_field": params.get("embeddings_field") or "latent_inr",
        "brain_key": params.get("brain_key") or "latent_inr",
        "overwrite": bool(params.get("overwrite", False)),
    }
    return target(ctx), options


def read_device(params):
    """The torch device that was chosen, None for the best there is."""
    device = params.get("device") or "auto"
    return None if device == "auto" else device


def read_teacher(params):
    """The teacher that was chosen, None for none."""
    teacher = params.get("teacher") or "default"
    return None if teacher == NO_TEACHER else teacher


def _read_prior(params):
    """The name of the prior that was chosen, `none`, or None for the preset's own."""
    prior = (params.get("prior") or "").strip() or DEFAULT_PRIOR
    return None if prior == DEFAULT_PRIOR else prior


def add_teacher(inputs, description):
    """Adds the choice of a teacher."""
    names = types.AutocompleteView(allow_user_input=True)
    for known in ("default", "small", NO_TEACHER):
        names.add_choice(known, label=known)
    return inputs.str("teacher", default="default", label="Teacher", description=description, view=names)


def _add_prior(inputs):
    """Adds the choice of what fits start from."""
    from fiftyone_latent_inr.datasets.priors.known_priors import known_priors

    names = types.AutocompleteView(allow_user_input=True)
    for known, label in ({DEFAULT_PRIOR: DEFAULT_PRIOR, NO_PRIOR: NO_PRIOR} | known_priors()).items():
        names.add_choice(known, label=label if label != "bundled" else f"{known} ({label})")
    return inputs.str(
        "prior",
        default=DEFAULT_PRIOR,
        label="Start from",
        description="Pretrained hypernetworks: a name, a folder, or OWNER/NAME of the Hugging Face Hub; fits of few "
        "steps go further from them, whole ones take fewer bytes. Default is fast-prior for the preset fast, "
        "none for the others",
        view=names,
    )


def add_device(inputs, description):
    """Adds the choice of a device."""
    choices(inputs, "device", DEVICES, "auto", "Device", description)


def target(ctx):
    """The collection that was chosen; of a grouped dataset, its videos."""
    samples = ctx.target_view()
    if samples.media_type == "group":
        samples = samples.select_group_slices(media_type="video")
    return samples


def build_form(ctx, inputs):
    """Adds the fields, with what is wrong marked at the field, and a line about what is to be done."""
    from fiftyone_latent_inr.datasets.fit.preview import fit_status, problems

    inputs.view_target(ctx, action_description="Fit")
    choices(inputs, "preset", PRESETS, "balanced", "Preset", "How much time to spend on quality")
    quality = inputs.float(
        "quality", default=50, min=0, max=100, label="Quality",
        description="0 to 100: better pictures, or smaller files",
    )  # fmt: skip
    teacher = add_teacher(
        inputs,
        "The model whose space the videos can be searched in: default, small (bundled: plain "
        "shapes only), an OpenCLIP model as ARCH/PRETRAINED, a folder, or none (no search)",
    )
    prior = _add_prior(inputs)
    add_device(inputs, "Where to fit")
    name = inputs.str(
        "embeddings_field", default="latent_inr", label="Embeddings field",
        description="The other fields are named after it",
    )  # fmt: skip
    key = inputs.str(
        "brain_key", default="latent_inr", label="Brain key",
        description="Name of the similarity index",
    )  # fmt: skip
    inputs.bool(
        "overwrite",
        default=False,
        label="Overwrite",
        description="Fit what is up to date again",
        view=types.CheckboxView(),
    )
    samples, options = read_form(ctx)
    found = problems(samples, options)
    fields = {"quality": quality, "teacher": teacher, "prior": prior, "embeddings_field": name, "brain_key": key}
    for argument, prop in fields.items():
        if argument in found:
            prop.invalid, prop.error_message = True, found[argument]
    if "samples" in found:
        notice = inputs.view("samples", types.Error(label="Nothing to fit here", description=found["samples"]))
        notice.invalid, notice.error_message = True, found["samples"]
    if not found:
        inputs.view("status", types.Notice(label=fit_status(samples, options).text()))


def choices(inputs, name, meanings, default, label, description):
    """Adds a choice among a few; `meanings` says what each is."""
    view = types.DropdownView()
    for value, meaning in meanings.items():
        view.add_choice(value, label=value, description=meaning)
    inputs.enum(name, list(meanings), default=default, label=label, description=description, view=view)
