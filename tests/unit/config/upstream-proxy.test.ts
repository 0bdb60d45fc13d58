import { describe, expect, test } from 'vitest';
import { mergeSettings, parseConfig, resolveUpstreamProxy, settingsSchema } from '../../../src/core/config/index.ts';

const resolved = (proxy: string, env: NodeJS.ProcessEnv = {}) => {
  const settings = parseConfig(`egress: { upstreamProxy: ${proxy} }`, 'f', settingsSchema);
  return resolveUpstreamProxy(mergeSettings(settings, {}).settings.egress.upstreamProxy, env);
};

describe('the proxy of this machine', () => {
  test('is what the configuration says; the variables count only where it says so', () => {
    const env = { HTTPS_PROXY: 'http://other.example:1' };
    expect(resolveUpstreamProxy(undefined, env)).toBeUndefined();
    expect(resolved('{ url: "http://proxy.corp:3128", secret: corp, noProxy: ["*.corp"] }', env)).toEqual({
      url: 'http://proxy.corp:3128',
      secret: 'corp',
      noProxy: ['*.corp'],
      remoteNames: false,
    });
    expect(resolved('{ url: environment }')).toBeUndefined();
  });

  test.each([
    [{ HTTPS_PROXY: 'http://proxy.corp:3128/', NO_PROXY: 'a.corp,.b.corp 10.0.0.0/8' }, 'http://proxy.corp:3128', ['a.corp', '*.b.corp']],
    [{ https_proxy: 'proxy.corp:3128', HTTPS_PROXY: 'http://no:1' }, 'http://proxy.corp:3128', []],
    [{ ALL_PROXY: 'socks5h://127.0.0.1:1080', no_proxy: '*' }, 'socks5://127.0.0.1:1080', ['*']],
  ])('is read from %j', (env, url, noProxy) => {
    expect(resolved('{ url: environment }', env)).toMatchObject({ url, noProxy });
  });

  test.each(['http://user:word@proxy.corp:3128', 'ftp://proxy.corp:21', 'http://proxy.corp', 'http://proxy.corp:3128/path'])(
    'is not `%s`',
    (url) => {
      expect(() => resolved(`{ url: "${url}" }`)).toThrow(/upstreamProxy/);
    },
  );

  test('is refused without its value where a variable holds a password', () => {
    const attempt = () => resolved('{ url: environment }', { HTTPS_PROXY: 'http://user:word@proxy.corp:3128' });
    expect(attempt).toThrow(/HTTPS_PROXY/);
    expect(attempt).not.toThrow(/word/);
  });

  test("the project's word wins", () => {
    const [global, project] = ['one', 'two'].map((name) =>
      parseConfig(`egress: { upstreamProxy: { url: "http://${name}:1" }, upstreamCa: /${name} }`, 'f', settingsSchema),
    );
    const { egress } = mergeSettings(global ?? {}, project ?? {}).settings;
    expect(egress).toMatchObject({ upstreamProxy: { url: 'http://two:1' }, upstreamCa: '/two' });
  });
});
