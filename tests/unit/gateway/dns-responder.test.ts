import dnsPacket, { type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../src/sidecars/egress/index.ts';
import { DenialLog } from '../../../src/sidecars/gateway/denial-log.ts';
import { DnsResponder, MAX_QUERY_BYTES } from '../../../src/sidecars/gateway/dns-responder.ts';
import { SyntheticNames } from '../../../src/sidecars/gateway/synthetic-names.ts';

function setUp(allowed: readonly string[] = ['example.com'], hasGate = false) {
  const events: AuditEvent[] = [];
  const denials = new DenialLog({ record: (event) => void events.push(event) });
  const responder = new DnsResponder({ nameAllowed: (name) => allowed.includes(name), hasGate }, new SyntheticNames(), denials);
  const ask = (packet: Packet) => {
    const answer = responder.answer(dnsPacket.encode({ type: 'query', id: 42, flags: dnsPacket.RECURSION_DESIRED, ...packet }));
    return answer === undefined ? undefined : dnsPacket.decode(answer);
  };
  return { responder, events, ask };
}

const codeOf = (packet: Packet | undefined): number => (packet?.flags ?? 0) & 15;

describe('the name server of a bottle', () => {
  it('answers A of an allowed name with a synthetic address, and repeats id, question and its letters', () => {
    const { ask } = setUp();
    const answer = ask({ questions: [{ type: 'A', name: 'ExAmple.com' }] });
    expect(answer).toMatchObject({ id: 42, type: 'response', questions: [{ name: 'ExAmple.com', type: 'A' }] });
    expect(answer?.answers).toMatchObject([{ name: 'ExAmple.com', type: 'A', data: expect.stringMatching(/^198\.1[89]\./) as string }]);
  });

  it.each(['AAAA', 'TXT', 'MX', 'SRV'] as const)('answers %s of an allowed name with nothing, so that the name exists', (type) => {
    const answer = setUp().ask({ questions: [{ type, name: 'example.com' }] });
    expect([codeOf(answer), answer?.answers]).toEqual([0, []]);
  });

  it.each(['example.net', 'sub.example.com', 'com', 'example.com.evil.net', 'exa mple.com', 'example.com\0', '1.18.198.in-addr.arpa'])(
    'says that %j does not exist',
    (name) => {
      const { ask, events } = setUp();
      expect(codeOf(ask({ questions: [{ type: 'A', name }] }))).toBe(3);
      expect(events).toMatchObject([{ kind: 'dns', decision: 'deny', target: name }]);
    },
  );

  it('knows the gate where there is one only', () => {
    const question = { questions: [{ type: 'A' as const, name: 'gate.terok.internal' }] };
    expect(setUp([], true).ask(question)?.answers).toMatchObject([{ data: '198.18.0.2' }]);
    expect(codeOf(setUp([], false).ask(question))).toBe(3);
  });

  it('drops what is no plain query', () => {
    const { ask, responder } = setUp();
    const question = { type: 'A' as const, name: 'example.com' };
    expect(ask({ type: 'response', questions: [question] })).toBeUndefined();
    expect(ask({ questions: [] })).toBeUndefined();
    expect(ask({ questions: [question, question] })).toBeUndefined();
    expect(ask({ flags: 2 << 11, questions: [question] })).toBeUndefined();
    expect(responder.answer(Buffer.alloc(MAX_QUERY_BYTES + 1))).toBeUndefined();
  });

  it('survives any bytes', () => {
    const { responder } = setUp();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        responder.answer(Buffer.from(bytes));
      }),
    );
  });

  it('stops answering a flood', () => {
    const { ask } = setUp();
    const answers = Array.from({ length: 5_000 }, () => ask({ questions: [{ type: 'A', name: 'example.com' }] }));
    expect(answers.filter((answer) => answer !== undefined).length).toBeLessThan(4_000);
    expect(answers[0]).toBeDefined();
  });
});
