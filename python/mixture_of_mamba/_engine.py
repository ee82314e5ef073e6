"""The package mixture_of_mamba_engine, which fits one minor version of torch and is a wheel of its own."""


def module():
    try:
        import mixture_of_mamba_engine
    except ModuleNotFoundError as error:
        if error.name != "mixture_of_mamba_engine":
            raise
        raise ModuleNotFoundError("Engine and data are in a package of their own: pip install mixture_of_mamba_engine", name=error.name) from None
    return mixture_of_mamba_engine
