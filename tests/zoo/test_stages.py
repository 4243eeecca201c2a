"""The output shape of every stage, compared with the tables of the papers (height x width x channels)."""

import pytest
import torch

from edgekit.zoo.specs import SPECS

_STAGES = {
    # LeCun et al. 1998, figure 2
    "lenet5": """
        c1  28x28x6
        s2  14x14x6
        c3  10x10x16
        s4  5x5x16
        c5  120
        f6  84
    """,
    # Krizhevsky et al. 2012, figure 2 and section 3.5, both towers combined
    "alexnet": """
        conv1    55x55x96
        pool1    27x27x96
        conv2    27x27x256
        pool2    13x13x256
        conv3    13x13x384
        conv4    13x13x384
        conv5    13x13x256
        pool5    6x6x256
        flatten  9216
        fc6      4096
        fc7      4096
    """,
    # Simonyan and Zisserman 2014, table 1, column D
    "vgg16": """
        block1   112x112x64
        block2   56x56x128
        block3   28x28x256
        block4   14x14x512
        block5   7x7x512
        flatten  25088
        fc6      4096
        fc7      4096
    """,
    # He et al. 2015, table 1, 18-layer and 50-layer
    "resnet18": """
        conv1    112x112x64
        pool1    56x56x64
        conv2_x  56x56x64
        conv3_x  28x28x128
        conv4_x  14x14x256
        conv5_x  7x7x512
        pool     512
    """,
    "resnet50": """
        conv1    112x112x64
        pool1    56x56x64
        conv2_x  56x56x256
        conv3_x  28x28x512
        conv4_x  14x14x1024
        conv5_x  7x7x2048
        pool     2048
    """,
    # the same, section 4.2
    "resnet20": """
        conv1    32x32x16
        conv2_x  32x32x16
        conv3_x  16x16x32
        conv4_x  8x8x64
        pool     64
    """,
    # Szegedy et al. 2014, table 1
    "inception_v1": """
        conv1        112x112x64
        pool1        56x56x64
        conv2        56x56x192
        pool2        28x28x192
        inception3a  28x28x256
        inception3b  28x28x480
        pool3        14x14x480
        inception4a  14x14x512
        inception4b  14x14x512
        inception4c  14x14x512
        inception4d  14x14x528
        inception4e  14x14x832
        pool4        7x7x832
        inception5a  7x7x832
        inception5b  7x7x1024
        pool         1024
    """,
    "googlenet": """
        conv1        112x112x64
        pool1        56x56x64
        conv2        56x56x192
        pool2        28x28x192
        inception3a  28x28x256
        inception3b  28x28x480
        pool3        14x14x480
        inception4a  14x14x512
        inception4b  14x14x512
        inception4c  14x14x512
        inception4d  14x14x528
        inception4e  14x14x832
        pool4        7x7x832
        inception5a  7x7x832
        inception5b  7x7x1024
        pool         1024
    """,
    # Howard et al. 2017, table 1: the output of each depthwise and pointwise pair
    "mobilenet_v1": """
        stem     112x112x32
        block1   112x112x64
        block2   56x56x128
        block3   56x56x128
        block4   28x28x256
        block5   28x28x256
        block6   14x14x512
        block7   14x14x512
        block8   14x14x512
        block9   14x14x512
        block10  14x14x512
        block11  14x14x512
        block12  7x7x1024
        block13  7x7x1024
        pool     1024
    """,
    # Sandler et al. 2018, table 2: each row's input is the output of the row before
    "mobilenet_v2": """
        stem    112x112x32
        stage1  112x112x16
        stage2  56x56x24
        stage3  28x28x32
        stage4  14x14x64
        stage5  14x14x96
        stage6  7x7x160
        stage7  7x7x320
        last    7x7x1280
        pool    1280
    """,
    # Howard et al. 2019, tables 1 and 2: each row's input is the output of the row before
    "mobilenet_v3_large": """
        stem    112x112x16
        stage1  112x112x16
        stage2  56x56x24
        stage3  28x28x40
        stage4  14x14x80
        stage5  14x14x112
        stage6  7x7x160
        last    7x7x960
        pool    960
        dense   1280
    """,
    "mobilenet_v3_small": """
        stem    112x112x16
        stage1  56x56x16
        stage2  28x28x24
        stage3  14x14x40
        stage4  14x14x48
        stage5  7x7x96
        last    7x7x576
        pool    576
        dense   1024
    """,
    # Tan and Le 2019, table 1: each row's input is the output of the row before
    "efficientnet_b0": """
        stem    112x112x32
        stage1  112x112x16
        stage2  56x56x24
        stage3  28x28x40
        stage4  14x14x80
        stage5  14x14x112
        stage6  7x7x192
        stage7  7x7x320
        last    7x7x1280
        pool    1280
    """,
}


@pytest.mark.parametrize("name", _STAGES)
def test_network_stages_have_the_shapes_of_the_paper(name, hollow):
    spec, rows = SPECS[name], []
    x = torch.empty(1, spec.preprocess.channels, *spec.input, device="meta")

    for stage, module in hollow(name).body.named_children():
        x = module(x)
        height_width_channels = (*x.shape[2:], x.shape[1])
        rows.append(f"{stage} {'x'.join(map(str, height_width_channels))}")

    assert rows == [" ".join(line.split()) for line in _STAGES[name].split("\n") if line.strip()]


@pytest.mark.parametrize(("depth", "layers"), [(11, 8), (13, 10), (16, 13), (19, 16)])
def test_vgg_has_the_convolutions_of_table_1(depth, layers, hollow):
    convolutions = [m for m in hollow(f"vgg{depth}").modules() if isinstance(m, torch.nn.Conv2d)]

    assert len(convolutions) == layers
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
