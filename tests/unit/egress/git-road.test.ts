import { describe, expect, test } from 'vitest';
import { type EgressPolicy, type Route, uncheckedGateHosts } from '../../../src/core/index.ts';
import { composePolicy } from '../../../src/policy/index.ts';
import { hostOfUrl } from '../../../src/projects/git/index.ts';
import { decide, decideConnection } from '../../../src/sidecars/egress/decide.ts';
import { onlyAsks, refuseForgeQuestion } from '../../../src/sidecars/egress/git-road.ts';

const HOSTS = ['github.com', 'api.github.com', 'uploads.github.com', 'gist.github.com', 'gitlab.com', 'codeberg.org', 'git.example.test'];
const route = (more: Partial<Route> = {}): Route => ({ name: 'forge', hosts: HOSTS, ports: [443], mode: 'inspect', ...more });
const policyOf = (more: Partial<Route> = {}): EgressPolicy => ({ version: 1, routes: [route(more)], gateHosts: ['git.example.test'] });

function reasonOf(request: string, more: Partial<Route> = {}, headers: readonly (readonly [string, string])[] = []): string {
  const [method = '', name = '', target = ''] = request.split(' ');
  const decision = decide(policyOf(more), { name, port: 443, method, target, headers });
  return decision.allow ? 'allowed' : decision.reason;
}

describe('writing past the gate', () => {
  test.each([
    // Smart HTTP
    'GET github.com /o/r.git/info/refs?service=git-receive-pack',
    'GET github.com /o/r.git/info/refs?x=1&service=git%2Dreceive%2dpack',
    'GET github.com /o/r.git/info/refs?service=git%252Dreceive-pack',
    'POST github.com /o/r.git/git-receive-pack',
    'POST github.com /o/r.git/git%2Dreceive-pack',
    'POST github.com //o/r.git/git-receive-pack',
    'POST git.example.test /r.git/git-receive-pack',
    'GET git.example.test /r.git/info/refs?service=git-receive-pack',
    'POST gist.github.com /abc.git/git-receive-pack',
    // Large files and the old way to push
    'POST github.com /o/r.git/info/lfs/locks',
    'PUT github.com /o/r.git/objects/pack/x',
    'PROPFIND git.example.test /r.git/',
    'MKCOL git.example.test /r.git/refs',
    'LOCK git.example.test /r.git/info/refs',
    // Contents, refs, objects, merges
    'PUT api.github.com /repos/o/r/contents/a.txt',
    'DELETE api.github.com /repos/o/r/contents/a.txt',
    'POST api.github.com /repos/o/r/git/refs',
    'PATCH api.github.com /repos/o/r/git/refs/heads/main',
    'DELETE api.github.com /repos/o/r/git/refs/heads/x',
    'POST api.github.com /repos/o/r/git/commits',
    'POST api.github.com /repos/o/r/git/trees',
    'POST api.github.com /repos/o/r/git/blobs',
    'POST api.github.com /repos/o/r/git/tags',
    'POST api.github.com /repos/o/r/merges',
    'POST api.github.com /repos/o/r/merge-upstream',
    'PUT api.github.com /repos/o/r/pulls/1/merge',
    'PUT api.github.com /repos/o/r/pulls/1/update-branch',
    'POST api.github.com /repos/o/r/branches/main/rename',
    'DELETE api.github.com /repos/o/r/branches/main/protection',
    'POST api.github.com /repos/o/r/dispatches',
    'POST api.github.com /repos/o/r/actions/workflows/1/dispatches',
    'PUT api.github.com /repos/o/r/actions/secrets/X',
    'POST api.github.com /repos/o/r/hooks',
    'POST api.github.com /repos/o/r/keys',
    'POST api.github.com /repos/o/r/forks',
    'POST api.github.com /repos/o/r/releases',
    'POST api.github.com /repos/o/r/statuses/abc',
    'POST api.github.com /repos/o/r/transfer',
    'PATCH api.github.com /repos/o/r',
    'POST api.github.com /user/repos',
    'POST api.github.com /user/keys',
    'POST api.github.com /gists',
    'PATCH api.github.com /gists/1',
    'POST uploads.github.com /repos/o/r/releases/1/assets?name=x',
    'POST api.github.com /repos/o/r/issues/1/assets',
    'PUT api.github.com /repos/o/r/issues/../contents/a.txt',
    'PUT api.github.com /repos/o/r/issues/%2e%2e/contents/a.txt',
    // GitLab
    'POST gitlab.com /api/v4/projects/1/repository/commits',
    'PUT gitlab.com /api/v4/projects/o%2Fr/repository/files/a.txt',
    'POST gitlab.com /api/v4/projects/1/repository/branches',
    'PUT gitlab.com /api/v4/projects/1/merge_requests/1/merge',
    'PUT gitlab.com /api/v4/projects/1/merge_requests/1/rebase',
    'POST gitlab.com /api/v4/projects/1/uploads',
    'POST gitlab.com /api/v4/projects/1/trigger/pipeline',
    'POST gitlab.com /api/v4/snippets',
    'POST gitlab.com /api/v4/projects/1/issues/1/uploads',
    // Gitea
    'POST codeberg.org /api/v1/repos/o/r/contents/a.txt',
    'POST codeberg.org /api/v1/repos/o/r/contents',
    'POST codeberg.org /api/v1/repos/o/r/pulls/1/merge',
    'POST codeberg.org /api/v1/repos/o/r/branches',
    'POST codeberg.org /api/v1/repos/o/r/diffpatch',
    'POST codeberg.org /api/v1/repos/o/r/issues/1/assets',
    // The web pages that upload and edit
    'POST github.com /o/r/upload/main',
    'POST github.com /o/r/create/main',
    'POST github.com /upload/policies/upload-manifest-files',
    'POST codeberg.org /o/r/_new/main',
  ])('%s is refused, and works where a person allows it by name', (request) => {
    expect(reasonOf(request)).toBe('gate-owned');
    // Positive control: without the rule it would go out, unless its path has two readings anyway
    expect(['allowed', 'path-ambiguous']).toContain(reasonOf(request, { forgeWrites: true }));
  });

  test('by a method in a header or a parameter is refused', () => {
    expect(reasonOf('POST api.github.com /repos/o/r/issues', {}, [['x-http-method-override', 'DELETE']])).toBe('gate-owned');
    expect(reasonOf('GET gitlab.com /api/v4/projects/1?_method=delete')).toBe('gate-owned');
  });

  test.each(['_method=put', 'a=b&_method=put', 'a=b;_method=put', '%5Fmethod=put', '_metho%64=delete', '_METHOD=put', '_method'])(
    'by a method in the parameter `%s` is refused',
    (query) => {
      expect(reasonOf(`POST gitlab.com /api/v4/projects/1/issues?${query}`)).toBe('gate-owned');
    },
  );

  test.each(['method=put', 'a=_method=put', 'my_method=put'])('a parameter `%s` is none', (query) => {
    expect(reasonOf(`POST gitlab.com /api/v4/projects/1/issues?${query}`)).toBe('allowed');
  });

  test.each([
    'GET github.com /o/r.git/info/refs?service=git-upload-pack',
    'POST github.com /o/r.git/git-upload-pack',
    'GET api.github.com /repos/o/r/contents/a.txt',
    'HEAD github.com /o/r/releases/download/v1/x.tgz',
    'POST api.github.com /repos/o/r/issues',
    'POST api.github.com /repos/o/r/issues/1/comments',
    'POST api.github.com /repos/o/r/pulls',
    'POST api.github.com /repos/o/r/pulls/1/reviews',
    'POST codeberg.org /api/v1/repos/o/r/issues/1/comments',
    'POST gitlab.com /api/v4/projects/o%2Fr/merge_requests/1/notes',
    'POST github.com /login/device/code',
  ])('%s, which reads or talks, passes', (request) => {
    expect(reasonOf(request)).toBe('allowed');
  });

  test('elsewhere is not the business of this rule', () => {
    const policy: EgressPolicy = { version: 1, routes: [route({ hosts: ['registry.example.test'] })] };
    const request = { name: 'registry.example.test', port: 443, method: 'PUT', target: '/git-receive-pack' };
    expect(decide(policy, request)).toMatchObject({ allow: true });
    expect(decide({ ...policy, gateHosts: ['registry.example.test'] }, request)).toMatchObject({ allow: false, reason: 'gate-owned' });
  });
});

describe('a body that only asks', () => {
  const graphql = (query: unknown): Buffer => Buffer.from(JSON.stringify({ query }));

  test.each([
    graphql('mutation { createCommitOnBranch(input: {}) { clientMutationId } }'),
    graphql('query A { a } mutation B { mergeBranch(input: {}) { a } }'),
    graphql('#"\nmutation{updateRef(input:{}){a}}'),
    graphql('{a(b:"\\"")}mutation{x}'),
    graphql('{a(b:"""x\\"""y""")} mutation {x}'),
    graphql('{a}\u00a0mutation{x}'),
    graphql('subscription { a }'),
    graphql('{ a(b: "'),
    graphql(undefined),
    graphql(7),
    Buffer.from(JSON.stringify({ Query: 'mutation{x}', query: '{a}' })),
    Buffer.from(JSON.stringify([{ query: '{a}' }, { query: 'mutation{x}' }])),
    Buffer.from('[]'),
    Buffer.from('mutation{x}'),
    Buffer.from('{'),
  ])('%s does not', (body) => {
    expect(onlyAsks('/graphql', body)).toBe(false);
  });

  test.each([
    graphql('{ viewer { login } }'),
    graphql('query A($mutation: Int) { repository(name: "mutation") { b } } # mutation'),
    graphql('{ __schema { mutationType { name } } }'),
    Buffer.from(JSON.stringify([{ query: '{a}', variables: { x: 'mutation' } }])),
  ])('%s does', (body) => {
    expect(onlyAsks('/graphql', body)).toBe(true);
  });

  test('of LFS downloads', () => {
    expect(onlyAsks('/o/r.git/info/lfs/objects/batch', Buffer.from('{"operation":"download"}'))).toBe(true);
    expect(onlyAsks('/o/r.git/info/lfs/objects/batch', Buffer.from('{"operation":"upload"}'))).toBe(false);
    expect(onlyAsks('/o/r.git/info/lfs/objects/batch', Buffer.from('{"operation":"download","Operation":"upload"}'))).toBe(false);
  });

  test.each([
    [{ 'content-type': 'application/json' }, '{"query":"{a}"}', undefined],
    [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{"query":"{a}"}', 'gate-owned'],
    [{ 'content-type': 'multipart/form-data' }, '{"query":"{a}"}', 'gate-owned'],
    [{ 'content-type': 'application/json' }, undefined, 'gate-owned'],
    [{ 'content-type': 'application/json' }, '{"query":"mutation{x}"}', 'gate-owned'],
  ])('is read where it can be read: %j %j', async (headers, body, reason) => {
    const request = { name: 'api.github.com', port: 443, method: 'POST', target: '/graphql', headers: Object.entries(headers) };
    const readBody = async (): Promise<Buffer | undefined> => (body === undefined ? undefined : Buffer.from(body));
    const denied = await refuseForgeQuestion(policyOf(), { request, route: route(), readBody });
    expect(denied?.reason).toBe(reason);
    expect(await refuseForgeQuestion(policyOf(), { request, route: route({ forgeWrites: true }), readBody })).toBeUndefined();
  });
});

describe('a road that nobody can look into', () => {
  const ssh = (hosts: readonly string[], more: Partial<Route> = {}): Route => route({ hosts, ports: [22], mode: 'passthrough', ...more });

  test.each([['github.com'], ['ssh.github.com'], ['git.example.test'], ['ssh.dev.azure.com']])(
    'to %s is refused, over SSH as over TLS',
    (host) => {
      for (const port of [22, 443]) {
        const policy: EgressPolicy = { version: 1, routes: [ssh([host], { ports: [port] })], gateHosts: ['git.example.test'] };
        expect(decideConnection(policy, { name: host, port })).toMatchObject({ allow: false, reason: 'gate-owned' });
        expect(uncheckedGateHosts(policy, policy.routes[0] ?? ssh([host]))).toEqual([host]);
        const allowed: EgressPolicy = { ...policy, routes: [ssh([host], { ports: [port], forgeWrites: true })] };
        expect(decideConnection(allowed, { name: host, port })).toMatchObject({ allow: true });
      }
    },
  );

  test('stays refused when a person adds other rules to a running task', () => {
    const base: EgressPolicy = { version: 1, routes: [ssh(['git.example.test'])], gateHosts: ['git.example.test'] };
    const { policy } = composePolicy({ policy: base, origins: {} }, []);
    expect(decideConnection(policy, { name: 'git.example.test', port: 22 })).toMatchObject({ allow: false, reason: 'gate-owned' });
  });

  test('is found in a wildcard as well', () => {
    expect(uncheckedGateHosts({}, ssh(['*.github.com']))).toEqual(['*.github.com']);
    expect(uncheckedGateHosts({ gateHosts: ['git.example.test'] }, ssh(['*.example.test']))).toEqual(['*.example.test']);
    expect(uncheckedGateHosts({}, ssh(['db.example.test']))).toEqual([]);
  });
});

test.each([
  ['https://user:pass@Git.Example.test:8443/o/r.git', ['git.example.test']],
  ['ssh://git@git.example.test:2222/o/r', ['git.example.test']],
  ['git@git.example.test:o/r.git', ['git.example.test']],
  ['git.example.test:o/r.git', ['git.example.test']],
  ['git://git.example.test/r', ['git.example.test']],
  ['/srv/git/r.git', []],
  ['../r.git', []],
  ['file:///srv/r.git', []],
])('the host of %s', (url, hosts) => {
  expect(hostOfUrl(url)).toEqual(hosts);
});
