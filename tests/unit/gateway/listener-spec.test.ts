import { describe, expect, it } from 'vitest';
import { listenerSpecs, specKey } from '../../../src/sidecars/gateway/listener-spec.ts';

const SERVICES = ['udp 198.18.0.1:53', 'tcp 198.18.0.1:53', 'tcp 198.18.0.1:2022', 'tcp 198.18.0.1:3128'];
const USUAL = ['tcp 0.0.0.0:80', 'tcp 0.0.0.0:443'];

describe('listenerSpecs', () => {
  it('has the services and the usual ports for a policy without routes', () => {
    expect(listenerSpecs([], false).map(specKey)).toEqual([...SERVICES, ...USUAL]);
  });

  it('adds the gate, and every port of the policy on every address', () => {
    expect(listenerSpecs([443, 8443], true).map(specKey)).toEqual([...SERVICES, ...USUAL, 'tcp 0.0.0.0:8443']);
  });

  it('shares one socket between a service and a route with the same port', () => {
    const keys = listenerSpecs([80, 3128], true).map(specKey);
    expect(keys).toContain('tcp 0.0.0.0:80');
    expect(keys).toContain('tcp 0.0.0.0:3128');
    expect(keys.filter((key) => /:(80|3128)$/.test(key))).toHaveLength(2);
  });
});
