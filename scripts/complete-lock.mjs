// Adds to package-lock.json the packages of other platforms that `npm install` left out, which happens where a registry does not
// offer them. Without these entries `npm ci` refuses the lock file everywhere. With --check, only says what is missing.
// They get no integrity, because nothing of them was seen here; they are never installed on the platform that the file was made on.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './setup.mjs';

const file = path.join(ROOT, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = missingPackages(lock.packages);

if (missing.length === 0) process.exit(0);
if (process.argv.includes('--check')) {
  console.error(
    `package-lock.json lacks ${missing.length} optional packages, such as ${missing[0].name}: run \`node scripts/complete-lock.mjs\`.`,
  );
  process.exit(1);
}
for (const { name, version } of missing) lock.packages[`node_modules/${name}`] = { version, ...platformOf(name), optional: true };
const [[rootKey, root], ...rest] = Object.entries(lock.packages);
lock.packages = Object.fromEntries([[rootKey, root], ...rest.sort(([a], [b]) => a.localeCompare(b, 'en'))]);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);

function missingPackages(packages) {
  const wanted = Object.entries(packages).flatMap(([from, entry]) =>
    Object.entries(entry.optionalDependencies ?? {}).map(([name, version]) => ({ from, name, version })),
  );
  const absent = wanted.filter(({ from, name }) => !(`${from}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages));
  // Packages for one platform are pinned to one version; a range cannot be completed without asking a registry.
  return [...new Map(absent.filter(({ version }) => /^\d+\.\d+\.\d+/.test(version)).map((each) => [each.name, each])).values()];
}

/** Platform fields from a name such as `@scope/binding-linux-x64-musl`. */
function platformOf(name) {
  const os = /(?:android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|aix)/.exec(name)?.[0];
  const cpu = /(?:arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64|mips64el|wasm32)/.exec(name.replace(os ?? '', ''))?.[0];
  const libc = os !== 'linux' ? undefined : /musl/.test(name) ? 'musl' : /-gnu/.test(name) ? 'glibc' : undefined;
  return { ...(cpu && { cpu: [cpu] }), ...(os && { os: [os] }), ...(libc && { libc: [libc] }) };
}
