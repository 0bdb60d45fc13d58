import { at, type Figures, text } from './figures.ts';

interface Column {
  readonly title: string;
  /** Where the figure of a side is in `egress.json` */
  readonly path: (side: string) => readonly string[];
}

const rate = (suffix: string, figure: string) => (side: string) => ['rate', `${side}${suffix}`, figure];
const COLUMNS: readonly Column[] = [
  { title: '1 connection', path: rate('1', 'perSecond') },
  { title: 'median ms', path: rate('1', 'p50Ms') },
  { title: '99 % ms', path: rate('1', 'p99Ms') },
  { title: '16 connections', path: rate('16', 'perSecond') },
  { title: 'HTTP/2, 1', path: rate('Http2x1', 'perSecond') },
  { title: 'HTTP/2, 16', path: rate('Http2x16', 'perSecond') },
  { title: 'event ms', path: (side) => ['latency', side, 'events', 'p50Ms'] },
  { title: 'WebSocket frame ms', path: (side) => ['latency', side, 'webSocket', 'p50Ms'] },
  { title: 'new TLS connections', path: (side) => ['latency', side, 'newConnectionsPerSecond'] },
  { title: 'down MiB/s', path: (side) => ['streams', side, 'downMiBps'] },
  { title: 'up MiB/s', path: (side) => ['streams', side, 'upMiBps'] },
  { title: 'ready ms', path: (side) => ['memory', side, 'readyMs'] },
  { title: 'MiB at rest', path: (side) => ['memory', side, 'atRest', 'rssMiB'] },
  { title: 'MiB at most', path: (side) => ['memory', side, 'afterTraffic', 'peakMiB'] },
];

/** Every side of the egress bench in one table; what a side cannot do, or not in time, is `?`. */
export function egressTable(figures: Figures | undefined): string {
  const sides = Object.keys(figures?.memory ?? {});
  if (sides.length === 0) return '';
  const lines = sides.map((side) => `| ${[side, ...COLUMNS.map(({ path }) => text(at(figures, ...path(side))))].join(' | ')} |`);
  return `## Egress, side by side

One run, the same client and server for all: \`direct\` is without anything between, \`pipe\` copies bytes, \`tlsPipe\` ends TLS on both sides,
\`relay\` is written by hand without any decision; then terok, then other programs. Requests and new connections are per second; \`?\` is what a
side cannot do, or not in time. Made by \`npm run bench -- egress\`, raw figures in \`bench/results/egress.json\`.

| side | ${COLUMNS.map(({ title }) => title).join(' | ')} |
|---|${COLUMNS.map(() => '---|').join('')}
${lines.join('\n')}

`;
}
