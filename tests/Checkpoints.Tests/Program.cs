using Orchestrator.Checkpoints.Tests.Blobs;

// Tests start this assembly as a process of its own; the test runner does not come through here.
return await StoreProcess.RunAsync(args);
