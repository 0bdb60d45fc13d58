import type { Terok } from '../../tasks/api.ts';
import { escapeText } from '../escape.ts';
import type { Output } from '../terminal/output.ts';

type Report = Awaited<ReturnType<Terok['egress']['show']>>;
type Route = Report['rules'][number]['route'];
type Change = Awaited<ReturnType<Terok['egress']['allow']>>;
type LogEntry = Awaited<ReturnType<Terok['egress']['log']>>[number];

/** `api.example.com`, `db.example.com:5432` */
export function targetsOf({ hosts, ports }: Pick<Route, 'hosts' | 'ports'>): string {
  return hosts.flatMap((host) => ports.map((port) => (port === 443 ? host : `${host}:${port}`))).join(' ');
}

/** What a route asks of requests, in words. */
export function limitsOf(route: Route): string {
  const { methods, paths, query, headers, tenants, budget, inject, expiresAt, websocket, streaming, privateNetworks, tls } = route;
  const parts = [
    methods?.join(' '),
    paths?.join(' '),
    tenants && `only ${tenants.allow.join(', ')}`,
    query && `query ${query.map(({ name }) => name).join(', ')}`,
    headers && `headers ${headers.map(({ name }) => name).join(', ')}`,
    budget &&
      Object.entries(budget)
        .map(([name, value]) => `${name} ≤ ${value}`)
        .join(', '),
    inject && `secret ${inject.secret}`,
    websocket === false ? 'no WebSocket' : undefined,
    streaming === false ? 'no event stream' : undefined,
    privateNetworks && `private ${privateNetworks.join(' ')}`,
    tls?.join(' '),
    expiresAt && `until ${expiresAt}`,
  ];
  return parts.filter((part) => part !== undefined && part !== '').join('; ') || 'everything';
}

export function printChange(output: Output, change: Change): void {
  const { route, block, removed, tasks } = change;
  if (route !== undefined)
    output.remark(
      `Allowed ${escapeText(targetsOf(route))} to ${escapeText(change.of)} (${escapeText(route.mode)}; ${escapeText(limitsOf(route))}).`,
    );
  if (removed.length > 0) output.remark(`Took back ${removed.map(escapeText).join(', ')}.`);
  if (block !== undefined)
    output.remark(
      `Blocked ${escapeText(`${block.host}${block.port === undefined ? '' : `:${block.port}`}`)} for ${escapeText(change.of)}.`,
    );
  for (const { slug, state, ms } of tasks)
    output.remark(
      state === 'not-running' ? `${slug}: holds when it runs again` : `${slug}: in force${state === 'applied' ? ` after ${ms} ms` : ''}`,
    );
}

/** One decision on one line, and the command that would allow it on the next. */
export function decisionLines(output: Output, entry: LogEntry): readonly string[] {
  const { decision, time, kind, host = '', port, method, path = '', reason, route, fix } = entry;
  const verdict = output.paint(decision === 'allow' ? 'green' : 'red', decision === 'allow' ? 'allowed' : 'refused');
  const where = `${host}${port === undefined || port === 443 ? '' : `:${port}`}${path}`;
  const why = decision === 'allow' ? (route === undefined ? '' : `route ${route}`) : (reason ?? '');
  const words = [time.slice(11, 19), verdict, kind, ...(method === undefined ? [] : [method]), where, why === '' ? '' : `(${why})`];
  const lines = [
    words
      .map((word, at) => (at === 1 ? word : escapeText(word)))
      .join(' ')
      .trimEnd(),
  ];
  return fix === undefined ? lines : [...lines, `         ${output.paint('dim', escapeText(fix))}`];
}
