import assert from 'node:assert/strict';
import { compareVersions, type RuntimeStatus, type RuntimeVersion } from '@podwright/core';
import { section } from '../conformance-case.js';

function checkVersion({ runtimeName, runtimeVersion, components }: RuntimeVersion): void {
  assert.notEqual(runtimeName, '');
  assert.match(runtimeVersion, /^\d+(\.\d+){0,2}$/, 'a version has at most three numbers with dots');
  assert.ok(compareVersions(runtimeVersion, '0') > 0, 'a version is comparable and more than 0');
  for (const [name, version] of Object.entries(components))
    assert.match(version, /^\d/, `version of ${name}`);
}

function checkStatus({ conditions }: RuntimeStatus): void {
  for (const type of ['RuntimeReady', 'NetworkReady']) {
    const condition = conditions.find((each) => each.type === type);
    assert.equal(condition?.status, true, `${type} holds on a target that is fit for the suite`);
    assert.equal(condition?.reason, '', 'a condition that holds needs no reason');
  }
}

export const runtimeCases = section('runtime', {
  'service-type': {
    title: 'the backend has a name that container ids can begin with',
    run: async ({ service, runtime }) => {
      assert.match(service.type, /^[a-z][a-z0-9-]*$/);
      assert.equal(runtime.type, service.type);
    },
  },
  'service-version': {
    title: 'the backend tells a comparable version',
    run: async ({ service }) => checkVersion(await service.version()),
  },
  'service-status': {
    title: 'the backend is ready, and so is its network',
    run: async ({ service }) => checkStatus(await service.status()),
  },
  'runtime-version': {
    title: 'the runtime tells the version of its backend',
    run: async ({ runtime, service }) => {
      checkVersion(await runtime.version());
      assert.deepEqual(await runtime.version(), await service.version());
    },
  },
  'runtime-status': {
    title: 'the runtime tells the status of its backend',
    run: async ({ runtime }) => checkStatus(await runtime.status()),
  },
  features: {
    title: 'the backend says what it can do, and the runtime says the same',
    run: async ({ service, runtime }) => {
      const { supervisedRestart, kernel, execHandler, execGaps } = service.features;
      assert.equal(typeof supervisedRestart, 'boolean');
      assert.equal(typeof kernel, 'boolean');
      assert.ok(['oci', 'nsenter', 'simulated', 'none'].includes(execHandler));
      if (execHandler === 'oci') assert.deepEqual(execGaps, [], 'the oci handler leaves nothing out');
      assert.deepEqual(runtime.features, service.features);
    },
  },
  'start-again': {
    title: 'starting a runtime that is started does nothing',
    run: async (t) => {
      const id = await t.sandbox();
      await t.service.start();
      await t.runtime.start();
      assert.equal((await t.service.podSandboxStatus(id)).state, 'ready');
    },
  },
  'closed-service': {
    title: 'a backend that was disposed of refuses calls with kind closed',
    run: async (t) => {
      const { service } = t;
      await t.restartAgent();
      await t.rejects(service.listContainers(), 'closed');
      await t.rejects(service.runPodSandbox(t.sandboxConfig()), 'closed');
    },
  },
  'closed-runtime': {
    title: 'a runtime that was disposed of refuses calls with kind closed',
    run: async (t) => {
      const { runtime } = t;
      await t.restartAgent();
      await t.rejects(runtime.getPods(), 'closed');
      await t.rejects(runtime.runPod(t.pod([{ command: ['true'] }])), 'closed');
    },
  },
});
