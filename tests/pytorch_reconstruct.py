"""
BRECQ's original code on fashion_resnet14, one thread: top-1 before and after, and seconds, with the settings of `reconstruct` (tests/Benchmarks).
usage: python3 tests/pytorch_reconstruct.py CHECKOUT MODEL.onnx CALIBRATION.npz TEST.npz BITS[aBITS] ITERATIONS SEED [mse|fisher_diag|normalised] [STEP-SIZE-ITERATIONS]
CHECKOUT is a working tree of the authors' repository (Debian: python3-torch python3-onnx). `normalised` is our weight of section 3.6 in their loop.
"""
import sys
import time

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn as nn

checkout, model_file, calibration_file, test_file, bits, iterations, seed = sys.argv[1:8]
loss = sys.argv[8] if len(sys.argv) > 8 else "mse"
step_size_iterations = int(sys.argv[9]) if len(sys.argv) > 9 else 250
sys.path.insert(0, checkout)
torch.set_num_threads(1)
torch.manual_seed(int(seed))
torch.cuda.synchronize = lambda: None
to = torch.Tensor.to
torch.Tensor.to = lambda self, *a, **k: self if a and a[0] == "cuda" else to(self, *a, **k)

import models.resnet as resnet  # noqa: E402
import quant.block_recon as block_recon  # noqa: E402
import quant.layer_recon as layer_recon  # noqa: E402
from quant import BaseQuantBlock, QuantModel, QuantModule  # noqa: E402

values = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in onnx.load(model_file).graph.initializer}


class Net(nn.Module):
    """stem, six basic blocks of 24, 24, 48, 48, 96, 96 channels, average, fc"""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        blocks, inputs = [], 24
        for outputs in (24, 24, 48, 48, 96, 96):
            down = None if inputs == outputs else nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))
            blocks.append(resnet.BasicBlock(inputs, outputs, 1 if down is None else 2, down, norm_layer=nn.BatchNorm2d))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(96, 10)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def loaded(name):
    shared = {"blocks.4.down.1.bias": "blocks.4.bn2.bias", "blocks.2.down.1.bias": "blocks.2.bn2.bias"}
    name = name.replace("downsample", "down")
    return values[shared.get(name, name)] if shared.get(name, name) in values else None


def images(file):
    data = np.load(file)
    return torch.from_numpy(((data["images"].astype(np.float32) * np.float32(0.00392156862745098)) - np.float32(0.2860)) / np.float32(0.3530)), torch.from_numpy(data["labels"])


@torch.no_grad()
def top1(net):
    net.eval()
    return 100 * float(sum((net(test[i : i + 500]).argmax(1) == labels[i : i + 500]).sum() for i in range(0, len(test), 500))) / len(test)


net = Net().eval()
net.load_state_dict({k: loaded(k) if loaded(k) is not None else v for k, v in net.state_dict().items()})
calibration, _ = images(calibration_file)
test, labels = images(test_file)
weight_bits, _, activation_bits = bits.partition("a")
print(f"float {top1(net):.2f}", flush=True)

if loss == "normalised":

    def normalised(*a, **k):
        g = save(*a, **k).sub(1.0)  # save_grad_data gives |g| + 1
        square, eps = g.pow(2), 0.1
        return ((square + eps * square.mean()) / ((1 + eps) * square.mean())).sqrt()

    save = block_recon.save_grad_data
    block_recon.save_grad_data = layer_recon.save_grad_data = normalised
    loss = "fisher_diag"

weights = {"n_bits": int(weight_bits), "channel_wise": True, "scale_method": "mse"}
activations = {"n_bits": int(activation_bits or 8), "channel_wise": False, "scale_method": "mse", "leaf_param": bool(activation_bits)}
began = time.perf_counter()
quantized = QuantModel(net, weights, activations).eval()
quantized.set_first_last_layer_to_8bit()
quantized.set_quant_state(True, False)
with torch.no_grad():
    quantized(calibration[:64])
grids = time.perf_counter() - began
print(f"before {top1(quantized):.2f}", flush=True)


def reconstruct(module, **settings):
    for _, child in module.named_children():
        if isinstance(child, QuantModule) and not child.ignore_reconstruction:
            layer_recon.layer_reconstruction(quantized, child, **settings)
        elif isinstance(child, BaseQuantBlock):
            block_recon.block_reconstruction(quantized, child, **settings)
        elif not isinstance(child, (QuantModule, BaseQuantBlock)):
            reconstruct(child, **settings)


began, used = time.perf_counter(), time.process_time()
reconstruct(quantized, cali_data=calibration, iters=int(iterations), weight=0.01, asym=True, b_range=(20, 2), warmup=0.2, act_quant=False, opt_mode=loss)
seconds, used = time.perf_counter() - began, time.process_time() - used
quantized.set_quant_state(True, False)
print(f"weights {top1(quantized):.2f}, {seconds:.1f} s ({used:.1f} s of processor time) and {grids:.1f} s for grids", flush=True)
if activation_bits:
    began = time.perf_counter()
    quantized.set_quant_state(True, True)
    with torch.no_grad():
        quantized(calibration[:64])
    quantized.disable_network_output_quantization()
    reconstruct(quantized, cali_data=calibration, iters=step_size_iterations, act_quant=True, opt_mode="mse", lr=4e-4, p=2.4)
    quantized.set_quant_state(True, True)
    print(f"activations {top1(quantized):.2f}, {time.perf_counter() - began:.1f} s", flush=True)
