using BenchmarkDotNet.Running;
using Orchestrator.Benchmarks.Numerics;

BenchmarkSwitcher.FromAssembly(typeof(EliminationBenchmarks).Assembly).Run(args);
