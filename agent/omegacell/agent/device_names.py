"""What a task is told of its devices: the names of environment variables, and what they hold."""

NO_GPUS = {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "void"}
"""What a task finds that was granted no GPU, on a machine that has some; its job may say otherwise, at its own risk."""

_PLAIN = str.maketrans("/-.", "___")


def variable_name(device: str) -> str:
    """Return a device's name as the end of a variable's.

    >>> variable_name("nvidia/gpu-a100")
    'NVIDIA_GPU_A100'
    """
    return device.upper().translate(_PLAIN)


def is_gpu(device: str) -> bool:
    """Tell whether devices of a name are such as GPU libraries look for."""
    return device.endswith("gpu")


def device_variables(devices: tuple[tuple[str, tuple[int, ...]], ...]) -> dict[str, str]:
    """Return the variables that tell a task its devices: indices, joined by commas.

    Libraries read their own: a task gets CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES for its one device whose name
    ends in ``gpu``, or for that of ``nvidia/`` when it has several.

    >>> device_variables((("nvidia/gpu", (0, 2)),))["OMEGA_DEVICE_NVIDIA_GPU"]
    '0,2'
    """
    shown = {name: ",".join(str(index) for index in indices) for name, indices in devices}
    variables = {f"OMEGA_DEVICE_{variable_name(name)}": text for name, text in shown.items()}
    gpus = [name for name in shown if is_gpu(name)]
    if len(gpus) > 1:
        gpus = [name for name in gpus if name.startswith("nvidia/")]
    if len(gpus) == 1:
        variables |= dict.fromkeys(("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"), shown[gpus[0]])
    return variables
