"""How FiftyOne finds the operators, and what it imports to list them."""

import ast
import subprocess
import sys

import fiftyone.operators as foo
from forms import URI


def test_the_link_registers_exactly_the_listed_operators():
    assert foo.get_operator(URI + "fit").config.label == "Fit Latent-INR"
    ours = [op for op in foo.list_operators() if op.uri.startswith("@latent-inr/")]
    drawing, priors = {"reconstruct", "super_resolve", "interpolate"}, {"pretrain", "get_prior", "publish_prior"}
    assert {op.name for op in ours if not op.config.unlisted} == {"fit", "refine"} | drawing | priors
    assert {op.name for op in ours if op.config.unlisted} == {"refresh"} and URI + "fit" in {op.uri for op in ours}


def test_listing_operators_imports_nothing_heavy(repository, fiftyone_home):
    code = (
        "import sys, types, importlib.util as u\n"
        "import fiftyone.operators\n"
        "before = set(sys.modules)\n"
        f"spec = u.spec_from_file_location('ops', {str(repository / 'operators' / '__init__.py')!r})\n"
        "module = u.module_from_spec(spec); sys.modules['ops'] = module; spec.loader.exec_module(module)\n"
        "new = set(sys.modules) - before\n"
        "new = {m.split('.')[0] for m in new} | {m for m in new if 'zoo' in m}\n"
        "print('new', sorted(new))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert out.returncode == 0, out.stderr
    new = ast.literal_eval(next(line for line in out.stdout.splitlines() if line.startswith("new"))[4:])
    assert not {"torch", "open_clip", "fiftyone_latent_inr"} & set(new)
    assert not [name for name in new if "zoo" in name]
