/** A registry of one image, as the distribution specification says it, for reading: `createRegistry(directory)` of `podman save --format oci-dir`. */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

interface Manifest {
  readonly mediaType: string;
  readonly digest: string;
}

export interface RegistryOptions {
  /** Answers 503 to this many requests for a manifest before it works */
  readonly failures?: number;
}

/** Tags other than `1` are unknown to it. */
export function createRegistry(directory: string, { failures = 0 }: RegistryOptions = {}): http.Server {
  const [manifest] = (JSON.parse(readFileSync(path.join(directory, 'index.json'), 'utf8')) as { manifests: Manifest[] }).manifests;
  let left = failures;
  return http.createServer((request, response) => {
    const [, kind, name = ''] = /^\/v2\/base\/(manifests|blobs)\/([\w:.-]+)$/.exec(request.url ?? '') ?? [];
    if (request.url === '/v2/') return void response.end('{}');
    if (kind === 'manifests' && left-- > 0) return void response.writeHead(503).end();
    const digest = name === '1' ? (manifest?.digest ?? '') : name;
    const file = path.join(directory, 'blobs', digest.replace(':', '/'));
    if (kind === undefined || !digest.startsWith('sha256:') || !existsSync(file))
      return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    response.setHeader('content-type', kind === 'manifests' ? (manifest?.mediaType ?? '') : 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
}
