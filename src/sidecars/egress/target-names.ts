/*
 * Scope: lets the gateways of `terok redteam` find the servers that its own process started. The name server is named in the plan of
 * one gateway, which only the process that makes the bottle can write: no file of a user or repository, no variable and no option
 * leads here. Out of scope: whether an address may be dialled; that is judged as for any other name.
 * Fail-safe direction: only names below `.test`, which nobody can own, are asked there, and only a server on the loopback is asked.
 */
import { Resolver } from 'node:dns/promises';
import { ignoreCodes, TerokError } from '../../core/errors.ts';
import type { ResolveName } from './dial.ts';

const LOOPBACK_SERVER = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}:\d{1,5}$/;
const QUERY_TIMEOUT_MS = 2_000;

/** @throws GATEWAY_FAILED for a name server that is not on the loopback */
export function targetResolver(nameServer: string, resolveOther: ResolveName): ResolveName {
  if (!LOOPBACK_SERVER.test(nameServer)) throw new TerokError('GATEWAY_FAILED', `\`${nameServer}\` is no name server on the loopback.`);
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 1 });
  resolver.setServers([nameServer]);
  const ask = async (name: string): Promise<readonly string[]> => {
    const families = [resolver.resolve4(name), resolver.resolve6(name)];
    const found = await Promise.all(families.map((family) => ignoreCodes(['ENODATA', 'ENOTFOUND'], () => family)));
    return found.flatMap((addresses) => addresses ?? []);
  };
  return (name) => (name.endsWith('.test') ? ask(name) : resolveOther(name));
}
