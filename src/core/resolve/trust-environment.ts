import { TRUSTSTORE_PASSWORD } from './java-truststore.ts';

export interface TrustPaths {
  /** Path in the bottle of the bottle's CA alone, for tools that add it to their own roots */
  readonly ca: string;
  /** Path in the bottle of system roots and CA together, for tools that replace their roots */
  readonly bundle: string;
  /** Path in the bottle of the same roots as a Java key store */
  readonly truststore: string;
}

/** Read by every Java virtual machine, whoever starts it; others may want a word in it too. */
export const JAVA_OPTIONS = 'JAVA_TOOL_OPTIONS';

/** Tools that replace their trust roots with the named file: they get the combined bundle. */
const REPLACING = [
  'SSL_CERT_FILE', // OpenSSL, Go, rustls-native-certs, Ruby, uv, Nix-built programs, Bun
  'CURL_CA_BUNDLE', // curl and libcurl front ends
  'REQUESTS_CA_BUNDLE', // python-requests and what is built on it (huggingface, gcloud)
  'PIP_CERT', // pip
  'GIT_SSL_CAINFO', // git
  'NPM_CONFIG_CAFILE', // npm
  'npm_config_cafile', // npm, pnpm and yarn read the lower-case form
  'YARN_HTTPS_CA_FILE_PATH', // yarn 2 and later
  'CARGO_HTTP_CAINFO', // cargo
  'RUSTUP_CA_BUNDLE', // rustup
  'AWS_CA_BUNDLE', // AWS CLI and SDKs
  'NIX_SSL_CERT_FILE', // nix
  'HTTPLIB2_CA_CERTS', // httplib2
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', // gRPC core
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', // gcloud
  'BUNDLE_SSL_CA_CERT', // Ruby bundler
  'HEX_CACERTS_PATH', // Elixir hex
  'JULIA_SSL_CA_ROOTS_PATH', // Julia
  'CODEX_CA_CERTIFICATE', // codex
] as const;

/** Tools that add the named file to their own roots: the CA alone is enough and keeps them quick to start. */
const ADDING = [
  'NODE_EXTRA_CA_CERTS', // Node.js and Electron
  'DENO_CERT', // Deno
] as const;

/**
 * Variables that make every known family of tools trust the gateway. `SSL_CERT_DIR` is not among them: it would make OpenSSL and
 * Go look into a directory of hashed names that the image may not have.
 */
export function trustEnvironment(paths: TrustPaths): Record<string, string> {
  return {
    ...Object.fromEntries(REPLACING.map((name) => [name, paths.bundle])),
    ...Object.fromEntries(ADDING.map((name) => [name, paths.ca])),
    [JAVA_OPTIONS]: javaOptions(paths.truststore),
    // Deno and Node read the system's store, which the bundle replaces, in addition
    DENO_TLS_CA_STORE: 'system,mozilla',
  };
}

/** Environment of a bottle with the trust of `paths`; options for Java that a person configured stay. */
export function withTrust(env: Readonly<Record<string, string>>, paths: TrustPaths): Record<string, string> {
  const trust = trustEnvironment(paths);
  const own = env[JAVA_OPTIONS];
  return { ...env, ...trust, ...(own === undefined ? {} : { [JAVA_OPTIONS]: `${own} ${trust[JAVA_OPTIONS] ?? ''}` }) };
}

function javaOptions(truststore: string): string {
  return [
    `-Djavax.net.ssl.trustStore=${truststore}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
    `-Djavax.net.ssl.trustStorePassword=${TRUSTSTORE_PASSWORD}`,
  ].join(' ');
}
