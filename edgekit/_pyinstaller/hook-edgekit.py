"""What PyInstaller cannot see in a program that imports edgekit: public names imported on first use, and the models.

onnxruntime's libraries are collected by its own hook, which every installation of PyInstaller includes.
"""

import edgekit
from edgekit.hub.built_in import built_in_models, models_folder

hiddenimports = sorted({f"edgekit.{home}" for home in edgekit._HOMES.values()})
datas = [(str(path), f"edgekit/models/{path.parent.name}") for path in built_in_models().values()]
datas.append((f"{models_folder()}/templates/*", "edgekit/models/templates"))
