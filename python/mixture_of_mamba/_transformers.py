"""Makes Mixture-of-Mamba known to transformers' Auto classes, without importing transformers.

Importing it takes seconds, which people who only want the ops should not wait for. So the classes are registered when a
configuration is loaded for the first time (every AutoModel.from_pretrained does that), or when they are asked for.
"""

import functools
import importlib.abc
import importlib.util
import sys

_AUTO = "transformers.models.auto.configuration_auto"


@functools.cache
def classes():
    """Registers and returns MixtureOfMambaConfig and MixtureOfMambaForCausalLM."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from .modeling_mixture_of_mamba import MixtureOfMambaConfig, MixtureOfMambaForCausalLM

    AutoConfig.register(MixtureOfMambaConfig.model_type, MixtureOfMambaConfig, exist_ok=True)
    AutoModelForCausalLM.register(MixtureOfMambaConfig, MixtureOfMambaForCausalLM, exist_ok=True)
    return {"MixtureOfMambaConfig": MixtureOfMambaConfig, "MixtureOfMambaForCausalLM": MixtureOfMambaForCausalLM}


def _register_with_first_configuration(auto):
    original = auto.AutoConfig.__dict__["from_pretrained"]

    def from_pretrained(cls, *arguments, **options):
        auto.AutoConfig.from_pretrained = original
        classes()
        return cls.from_pretrained(*arguments, **options)

    auto.AutoConfig.from_pretrained = classmethod(functools.wraps(original.__func__)(from_pretrained))


class _WhenImported(importlib.abc.MetaPathFinder):
    """Finds _AUTO as everybody else does, and has a word with it once it is there."""

    def find_spec(self, name, path, target=None):
        if name != _AUTO or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                _register_with_first_configuration(module)

            spec.loader.exec_module = exec_module
        return spec


def register_when_needed():
    if _AUTO in sys.modules:
        _register_with_first_configuration(sys.modules[_AUTO])
    else:
        sys.meta_path.insert(0, _WhenImported())
