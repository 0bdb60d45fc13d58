/** A gateway that programs do not trust is one that people turn off. */
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';
import { httpStep, isOk, summary } from '../http-step.ts';

/** A root that signed nothing here */
const ANOTHER_CA = '/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt';

/** Clients of the base image; `distrust` is the environment that takes the trust away again. */
const CLIENTS: Readonly<
  Record<string, { readonly argv: (url: string) => readonly string[]; readonly distrust: Readonly<Record<string, string>> }>
> = {
  curl: { argv: (url) => ['curl', '-sSf', '--max-time', '10', url], distrust: { CURL_CA_BUNDLE: ANOTHER_CA, SSL_CERT_FILE: ANOTHER_CA } },
  git: {
    argv: (url) => ['sh', '-c', 'git ls-remote "$0" 2>&1 | grep -qiE "certificate|ca cert|ssl|tls" && exit 1; exit 0', url],
    // where the file has none, GnuTLS looks into the directory as well
    distrust: { GIT_SSL_CAINFO: ANOTHER_CA, GIT_SSL_CAPATH: '/work' },
  },
  openssl: {
    argv: (url) => [
      'sh',
      '-c',
      'echo | openssl s_client -verify_return_error -connect "$0" -servername "$1" >/dev/null 2>&1',
      new URL(url).host,
      new URL(url).hostname,
    ],
    distrust: { SSL_CERT_FILE: ANOTHER_CA, SSL_CERT_DIR: '/work' },
  },
};

export const TRUST_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'C11',
    title: 'a client that does not trust the gateway',
    claim: 'The clients of the base image, and Node, trust the CA of their bottle out of the box, and verify.',
    attack: 'uses HTTPS through an inspected route without any option: a client that fails tempts its user to turn verification off',
    defence: 'one bundle with the roots of the host and the CA of the bottle, and every variable that names it',
    control: 'the same clients refuse the same server when the bundle is taken away',
    async run(trial, bench) {
      const bottle = await bench.shared();
      const url = `https://${bench.open.name}:${bench.open.securePort}/`;
      for (const [name, { argv, distrust }] of Object.entries(CLIENTS)) {
        const without = await bottle.run(argv(url), { env: distrust });
        trial.control(`${name} verifies`, without.code !== 0, without.stderr);
        const { code, stderr } = await bottle.run(argv(url));
        trial.attack(`${name} fails`, code !== 0, stderr);
      }
      const [outcome] = await bench.probe(bottle, [httpStep(bench.open)]);
      const [distrusting] = await bench.programs.insideWith<(typeof outcome)[]>(['env', '-u', 'NODE_EXTRA_CA_CERTS'], bottle, 'probe', [
        httpStep(bench.open),
      ]);
      trial.control('Node verifies', distrusting?.reached === false, distrusting?.error);
      trial.attack('Node fails', outcome === undefined || !isOk(outcome), outcome === undefined ? '' : summary(outcome));
    },
  },
];
