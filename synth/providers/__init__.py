"""Who answers: a provider completes requests. The table of providers, and the contract that they keep."""

from synth.errors import InputError
from synth.providers.base import Options, Provider
from synth.registry import Registry

PROVIDERS = Registry(
    "provider",
    {
        "local": "synth.providers.local:open_local",
        "openai": "synth.providers.openai:open_openai",
        "scripted": "synth.providers.scripted:open_scripted",
    },
)


def open_provider(model: str, options: Options) -> Provider:
    """Open the provider of ``PROVIDER/MODEL``; raises InputError or SetupError."""
    provider, slash, name = model.partition("/")
    if not slash or not name:
        raise InputError(f"the model {model!r} is not PROVIDER/MODEL; for example openai/gpt-5.4-mini")
    opened: Provider = PROVIDERS.load(provider)(name, options)
    return opened
