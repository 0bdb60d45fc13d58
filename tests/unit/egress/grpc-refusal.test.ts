import { expect, it } from 'vitest';
import { deny } from '../../../src/sidecars/egress/decide.ts';
import { grpcRefusal } from '../../../src/sidecars/egress/refusal.ts';

it('a refused call of gRPC says why, whatever the bottle wrote: also half of a character that was cut', () => {
  const refusal = grpcRefusal(deny('host-invalid', 'got `50 %\n\u{1F600}`'.slice(0, 11), 'Write a name.'));
  expect(refusal['grpc-message']).toBe('terok refused this: got `50 %25%0A%EF%BF%BD. Write a name.');
});
