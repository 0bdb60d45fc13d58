/** OAuth logins, which end when two clients renew them at once. */
import type { Route } from '../../../core/index.ts';
import type { RedBottle } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import { type EgressBench, routesTo, TARGET_NETWORK } from '../egress-bench.ts';
import { OAuthTarget } from '../oauth-target.ts';

const PHANTOMS = { refresh: 'phantom-refresh-0123456789abcdef', access: 'phantom-access-0123456789abcdef' } as const;
const BOTTLES = 2;
const REQUESTS_EACH = 3;

/** The API takes the access token; the token endpoint is answered by the gateway. */
function loginRoutes({ open, forbidden }: EgressBench, secret: string): readonly Route[] {
  const tokens: Route = {
    name: 'tokens',
    hosts: [forbidden.name],
    ports: [forbidden.securePort],
    mode: 'inspect',
    methods: ['POST'],
    paths: ['/oauth/token'],
    privateNetworks: TARGET_NETWORK,
    oauth: { secret, refreshPhantom: PHANTOMS.refresh, accessPhantom: PHANTOMS.access },
  };
  return [...routesTo(open, { inject: { secret, header: 'authorization', prefix: 'Bearer ', phantom: PHANTOMS.access } }), tokens];
}

async function storeLogin(bench: EgressBench, name: string, server: OAuthTarget): Promise<void> {
  const login = { tokenEndpoint: server.url, clientId: 'redteam', refreshToken: server.refreshToken };
  await bench.terok.secrets.set(name, JSON.stringify(login), { oauth: true });
}

function callApi({ open }: EgressBench, bottle: RedBottle): Promise<{ readonly stdout: string }> {
  const argv = ['curl', '-sS', '--max-time', '20', '-w', '\n%{http_code}', '-H', `Authorization: Bearer ${PHANTOMS.access}`];
  return bottle.run([...argv, `https://${open.name}:${open.securePort}/`]);
}

export const LOGIN_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'C4',
    title: 'real tokens out of the token endpoint',
    claim: 'A bottle gets phantoms for its phantoms; no real token of a login is ever inside.',
    attack: 'renews its login at the token endpoint, with its own tokens, with stolen ones, and by other grants',
    defence: 'the gateway answers the token endpoint itself; the vault keeps the real tokens',
    control: 'a client that holds the real refresh token gets real tokens from the same server',
    async run(trial, bench) {
      const server = await OAuthTarget.open(bench);
      const control = await server.refreshAs(server.refreshToken);
      trial.control('with the real refresh token', control.body.includes('real-access-token'), `${control.status}`);
      await storeLogin(bench, 'login-answers', server);
      const bottle = await bench.bottle({ routes: loginRoutes(bench, 'login-answers') });
      const url = `https://${bench.forbidden.name}:${bench.forbidden.securePort}/oauth/token`;
      const bodies = [
        `grant_type=refresh_token&refresh_token=${PHANTOMS.refresh}&client_id=redteam`,
        `grant_type=refresh_token&refresh_token=${server.refreshToken}&client_id=redteam`,
        'grant_type=authorization_code&code=stolen&client_id=redteam',
        'grant_type=client_credentials&client_id=redteam',
      ];
      bench.forbidden.reset();
      for (const body of bodies) {
        const { stdout } = await bottle.run(['curl', '-sSi', '--max-time', '20', '-d', body, url]);
        trial.attack(body.split('&')[0] ?? '', /real-(?:access|refresh)/.test(stdout), stdout.split('\r\n')[0]);
        if (body === bodies[0]) trial.control('phantoms for a phantom', stdout.includes(PHANTOMS.access), stdout.split('\r\n').at(-1));
      }
      trial.attack('requests at the real endpoint', bench.forbidden.seen.length > 0);
      await bottle.remove();
    },
  },
  {
    id: 'C5',
    title: 'two bottles renew one login at once',
    claim: 'One process renews a login for all bottles; nobody is logged out.',
    attack: 'several requests of several bottles need a fresh access token at the same moment',
    defence: 'a single flight on the host, under a lock, which reads again before it asks',
    control: 'clients that renew by themselves with the same refresh token: all but one are refused',
    async run(trial, bench) {
      const alone = await OAuthTarget.open(bench);
      const token = alone.refreshToken;
      const controls = await Promise.all(Array.from({ length: BOTTLES }, () => alone.refreshAs(token)));
      trial.control(
        'without a common owner',
        alone.refused === BOTTLES - 1,
        controls.map(({ status }) => status),
      );
      const server = await OAuthTarget.open(bench);
      await storeLogin(bench, 'login-shared', server);
      const bottles = await Promise.all(
        Array.from({ length: BOTTLES }, () => bench.bottle({ routes: loginRoutes(bench, 'login-shared') })),
      );
      const before = server.requests;
      const answers = await Promise.all(bottles.flatMap((bottle) => Array.from({ length: REQUESTS_EACH }, () => callApi(bench, bottle))));
      trial.control(
        'all requests are answered',
        answers.every(({ stdout }) => stdout.endsWith('\n200')),
        answers.map(({ stdout }) => stdout.slice(-3)),
      );
      trial.attack('a refused renewal', server.refused > 0, `${server.refused} refused`);
      trial.attack('more than one renewal', server.requests > 1, `${server.requests} (${before} at the start)`);
      await Promise.all(bottles.map((bottle) => bottle.remove()));
    },
  },
];
