import { describe, expect, it } from 'vitest';
import { classifyFailure } from '../../../src/backends/oci/index.ts';

describe("what Podman's complaints mean", () => {
  it.each([
    ['Error: writing blob: storing blob to file: no space left on device', 'DISK_FULL'],
    [
      'Error: creating container storage: the container name "terok-a" is already in use by abc. You have to remove that container',
      'ALREADY_EXISTS',
    ],
    ['Error: localhost/x:y: image not known', 'IMAGE_UNAVAILABLE'],
    ['Error: initializing source docker://r.test/base:2: reading manifest 2 in r.test/base: manifest unknown', 'IMAGE_UNAVAILABLE'],
    ['Error: no container with name or ID "terok-a" found: no such container', 'NOT_FOUND'],
    ['Error: can only create exec sessions on running containers: container state improper', 'WRONG_STATE'],
    ['Error: crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2: OCI runtime error', 'BACKEND_UNAVAILABLE'],
    ['Error: cannot find UID/GID for user x: no subuid ranges found for user "x" in /etc/subuid', 'BACKEND_UNAVAILABLE'],
    ['Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied', 'BACKEND_UNAVAILABLE'],
    ['Error: the handler does not support exec', 'UNSUPPORTED_BY_BACKEND'],
    ['Error: crun: something else', 'RUNTIME_FAILED'],
    ['nobody knows', 'RUNTIME_FAILED'],
  ])('%s', (stderr, code) => {
    const error = classifyFailure('do it', stderr);
    expect(error.code).toBe(code);
    expect(error.hint).toBeTruthy();
    expect(error.message).toContain('do it');
  });

  it('shows the line that names the error, not the advice after it', () => {
    expect(classifyFailure('create', "Error: unknown flag: --x\nSee 'podman create --help'").message).toContain('unknown flag');
  });

  it('keeps no more of an endless output than its end', () => {
    expect(JSON.stringify(classifyFailure('x', 'y'.repeat(1_000_000)).toJSON()).length).toBeLessThan(10_000);
  });
});
