"""
Milliseconds of processor time of AdaRound training steps in PyTorch, one thread: the convolutional blocks of `step-speed` (tests/Benchmarks) by the same names,
and forward and backward of one of them alone.
usage: python3 tests/pytorch_steps.py [RUNS] [PART]        (Debian: python3-torch)
"""
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
BATCH, SAMPLES, BITS, ZETA, GAMMA = 32, 64, 4, 1.1, -0.1
ALONE = "forward and backward alone, residual 28x28 64->64"


class Rounded:
    """A weight [outputs, ...] between two levels each, whose rounding is trained."""

    def __init__(self, *shape, stride=1, groups=1):
        w = torch.randn(*shape) / torch.Size(shape[1:]).numel() ** 0.5
        rows = [shape[0]] + [1] * (len(shape) - 1)
        low, high = w.flatten(1).min(1)[0].clamp(max=0), w.flatten(1).max(1)[0].clamp(min=0)
        self.top = 2**BITS - 1
        self.scale = ((high - low) / self.top).view(rows)
        self.zero = (-low.view(rows) / self.scale).round()
        self.floor = (w / self.scale).floor()
        rest = w / self.scale - self.floor
        self.v = (-torch.log((ZETA - GAMMA) / (rest - GAMMA) - 1)).requires_grad_()
        self.bias, self.stride, self.groups = torch.zeros(shape[0]), stride, groups
        self.pad = shape[-1] // 2

    def h(self):
        return torch.clamp(torch.sigmoid(self.v) * (ZETA - GAMMA) + GAMMA, 0, 1)

    def weight(self):
        return (torch.clamp(self.floor + self.h() + self.zero, 0, self.top) - self.zero) * self.scale

    def convolve(self, x):
        return F.conv2d(x, self.weight(), self.bias, self.stride, self.pad, 1, self.groups)


def residual(inputs, outputs, stride, side):
    a, b = Rounded(outputs, inputs, 3, 3, stride=stride), Rounded(outputs, outputs, 3, 3)
    c = None if stride == 1 and inputs == outputs else Rounded(outputs, inputs, 1, 1, stride=stride)
    forward = lambda x: F.relu(b.convolve(F.relu(a.convolve(x))) + (x if c is None else c.convolve(x)))
    return f"residual {side}x{side} {inputs}->{outputs}", [l for l in (a, b, c) if l], forward, (inputs, side, side)


def inverted(channels, inner, side, stride=1):
    a, b, c = Rounded(inner, channels, 1, 1), Rounded(inner, 1, 3, 3, stride=stride, groups=inner), Rounded(channels, inner, 1, 1)
    narrow = lambda x: c.convolve(F.relu6(b.convolve(F.relu6(a.convolve(x)))))
    forward = (lambda x: narrow(x) + x) if stride == 1 else narrow
    return f"inverted {side}x{side} {channels},{inner}" + ("" if stride == 1 else f" stride {stride}"), [a, b, c], forward, (channels, side, side)


def forward_and_backward(runs):
    """Of a residual block, with gradients of its input and of both weights."""
    channels, side = 64, 28
    shape = (BATCH, channels, side, side)
    x, dy = torch.rand(*shape).requires_grad_(), torch.rand(*shape)
    weights = [(torch.randn(channels, channels, 3, 3) / (9 * channels) ** 0.5).requires_grad_() for _ in range(2)]
    bias = torch.zeros(channels)
    took = []
    for _ in range(runs + 2):
        began = time.process_time()
        for value in (x, *weights):
            value.grad = None
        inner = F.relu(F.conv2d(x, weights[0], bias, 1, 1))
        F.relu(F.conv2d(inner, weights[1], bias, 1, 1) + x).backward(dy)
        took.append((time.process_time() - began) * 1000)
    report(ALONE, took)


def report(name, took):
    took = sorted(took[2:])
    print(f"{name:<28} least {took[0]:6.1f} ms, median {took[len(took) // 2]:6.1f} ms", flush=True)


def measure(name, layers, forward, shape, runs):
    optimizer = torch.optim.Adam([l.v for l in layers], lr=1e-3)
    inputs = torch.rand(SAMPLES, *shape)
    with torch.no_grad():
        targets = forward(inputs)
    took = []
    for _ in range(runs + 2):
        began = time.process_time()
        chosen = torch.randperm(SAMPLES)[:BATCH]
        x, y = inputs[chosen], targets[chosen]
        optimizer.zero_grad()
        loss = (forward(x) - y).abs().pow(2).sum(1).mean()
        for layer in layers:
            loss = loss + 0.01 * (1 - ((layer.h() - 0.5).abs() * 2).pow(10)).sum()
        loss.backward()
        optimizer.step()
        took.append((time.process_time() - began) * 1000)
    report(name, took)


runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
part = sys.argv[2] if len(sys.argv) > 2 else ""
for block in (
    residual(64, 64, 1, 28), residual(24, 24, 1, 28), residual(24, 48, 2, 28), residual(48, 48, 1, 14), residual(48, 96, 2, 14), residual(96, 96, 1, 7),
    inverted(16, 64, 28), inverted(24, 96, 14), inverted(32, 128, 7), inverted(16, 64, 28, 2),
):
    if part in block[0]:
        measure(*block, runs)
if part in ALONE:
    forward_and_backward(runs)
