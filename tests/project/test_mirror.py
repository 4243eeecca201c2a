"""The tests mirror the package: edgekit/image/jpeg.py is tested in tests/image/test_jpeg.py, or listed here."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
# Test file: the modules without a test file of their own that it tests.
TESTED_IN = {
    "artifact/guard/test_scan.py": (
        "artifact/guard/float_types",
        "artifact/guard/growth",
        "artifact/guard/onnx_fields",
        "artifact/guard/tensors",
    ),
    "artifact/guard/test_costs.py": (
        "artifact/guard/model_limits",
        "artifact/guard/operator_call",
        "artifact/guard/operators",
        "artifact/guard/work_units",
    ),
    "artifact/guard/test_shape_rules.py": (
        "artifact/guard/product_work",
        "artifact/guard/size_values",
        "artifact/guard/window_shapes",
    ),
    "artifact/test_checkpoint_reader.py": ("artifact/tensor_pickle", "artifact/torch_file"),
    "artifact/test_info.py": ("artifact/json_document",),
    "bench/test_device.py": ("bench/fields", "bench/micro_graph_times"),
    "bench/test_measure.py": ("bench/cold_start", "bench/naive_script", "bench/predict_once", "image/synthetic"),
    "bulk/test_predict_shards.py": ("bulk/hashed_file", "bulk/jsonl_output"),
    "bundle/test_python_bundle.py": ("bundle/python/classify", "bundle/python/self_test", "bundle/python/start"),
    "bundle/bench_program/test_timing.py": ("bundle/bench_program/progress", "bundle/bench_program/quartiles"),
    "bundle/test_bench_kit.py": (
        "bundle/bench_program/kit",
        "bundle/bench_program/main",
        "bundle/bench_program/once",
    ),
    "cli/predict/test_fast_parser.py": ("cli/options", "cli/predict/options", "cli/typer_options"),
    "cli/predict/test_run.py": ("cli/predict/command",),
    "cli/test_bench.py": ("cli/bench_device",),
    "cli/test_adopt.py": ("cli/adopt_options", "cli/adoption_settings"),
    "cli/test_inspect.py": ("cli/inspect_third_party",),
    "engines/test_ray.py": ("engines/ray_cluster",),
    "export/configs/test_hugging_face.py": ("export/configs/hugging_face_processors",),
    "cli/test_export.py": ("cli/shared_options", "export/networks"),
    "cli/test_fit.py": ("cli/fit_tables",),
    "cli/test_main.py": ("__main__",),
    "project/test_release.py": ("version",),
    "cli/test_pull.py": ("cli/named_models",),
    "cli/test_quantize.py": ("cli/temperature", "artifact/paths", "cli/verify"),
    "cli/test_train.py": ("cli/recipe_options", "train/callbacks"),
    "dataset/test_reading.py": (
        "dataset/idx",
        "dataset/image_set",
        "dataset/listing",
        "dataset/validation_split",
    ),
    "dataset/test_table.py": ("dataset/table_rows",),
    "export/test_adopt.py": ("export/wrap_third_party",),
    "export/test_heads.py": ("export/activation", "export/head_labels"),
    "export/test_make_template.py": ("export/make_int8_template",),
    "export/test_pipeline.py": ("export/finalize", "export/parity_inputs"),
    "fit/test_search.py": (
        "fit/assembly",
        "fit/preselection",
        "fit/search_settings",
        "fit/search_task",
        "fit/winner",
    ),
    "fit/test_report_page.py": ("fit/fitted",),
    "graph/test_layer_costs.py": ("cost",),
    "image/test_load.py": ("image/color_modes", "image/orientation", "image/size", "image/source"),
    "preprocess/test_spec.py": ("preprocess/field_values",),
    "project/test_pyinstaller.py": (
        "_pyinstaller/hook-edgekit",
        "_pyinstaller/hook-onnxruntime.transformers.machine_info",
    ),
    "quantize/test_quality_gate.py": ("bench/peak_memory", "quantize/held_out_evaluation"),
    "quantize/test_search.py": ("quantize/candidates", "quantize/schemes", "quantize/temperature"),
    "report/test_page.py": (
        "report/charts",
        "report/class_table",
        "report/confusion",
        "report/gallery",
        "report/html_document",
        "report/multi_label",
        "report/heat_maps",
        "report/summary",
        "report/thumbnails",
        "runtime/activation_maps",
    ),
    "runtime/test_classifier.py": ("runtime/decoding", "runtime/loaded_model"),
    "serve/test_openapi.py": ("serve/openapi_schemas",),
    "serve/test_responses.py": ("serve/request_errors",),
    "shards/test_shard.py": ("shards/layout", "shards/parquet_shard", "shards/record", "shards/unpack_limits"),
    "train/test_faults.py": ("train/distributed", "train/run_folder"),
    "train/test_recipe.py": ("train/field_types", "train/settings"),
    "train/test_teacher.py": ("train/teacher_settings",),
    "zoo/test_googlenet.py": ("zoo/inception_v1",),
    "zoo/test_specs.py": ("zoo/build",),
    "zoo/test_stages.py": ("zoo/alexnet_owt", "zoo/lenet5", "zoo/network", "zoo/nin", "zoo/vgg"),
}
LISTED = [module for modules in TESTED_IN.values() for module in modules]


def modules() -> list[str]:
    """Every module as edgekit/MODULE.py, without packages' __init__."""
    package = ROOT / "edgekit"
    paths = sorted(package.rglob("*.py"))
    return [path.relative_to(package).with_suffix("").as_posix() for path in paths if path.name != "__init__.py"]


def own_test(module: str) -> Path:
    """The test file of the module's path."""
    folder, _, name = module.rpartition("/")
    return ROOT / "tests" / folder / f"test_{name}.py"


def test_every_module_has_a_test_file_or_a_line_in_the_list():
    assert [module for module in modules() if not own_test(module).is_file() and LISTED.count(module) != 1] == []


def test_every_line_of_the_list_is_current():
    assert [file for file in TESTED_IN if not (ROOT / "tests" / file).is_file()] == []
    assert sorted(set(LISTED) - set(modules())) == []
    assert [module for module in LISTED if own_test(module).is_file()] == [], "they have test files: remove their lines"
