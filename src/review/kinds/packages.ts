import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['npm-manifest', 'install', /(^|\/)package\.json$/i, 'npm, yarn, pnpm, bun', 'holds scripts that run on install, build and test, and names dependencies', 'package.json', 'web/package.json'],
  ['npm-lockfile', 'install', /(^|\/)(package-lock|npm-shrinkwrap)\.json$/i, 'npm', 'names the exact packages that are installed, and from where', 'package-lock.json'],
  ['yarn-lockfile', 'install', /(^|\/)yarn\.lock$/i, 'yarn', 'names the exact packages that are installed, and from where', 'yarn.lock'],
  ['pnpm-lockfile', 'install', /(^|\/)pnpm-lock\.ya?ml$/i, 'pnpm', 'names the exact packages that are installed', 'pnpm-lock.yaml'],
  ['bun-lockfile', 'install', /(^|\/)bun\.lockb?$/i, 'bun', 'names the exact packages that are installed', 'bun.lock'],
  ['npm-configuration', 'install', /(^|\/)(\.npmrc|\.yarnrc(\.ya?ml)?|\.pnpmfile\.[cm]?js|pnpm-workspace\.ya?ml|bunfig\.toml|\.bunfig\.toml|\.yarn\/(plugins|releases)\/.*)$/i, 'npm, yarn, pnpm, bun', 'names registries, and programs that a package manager loads', '.npmrc', '.yarnrc.yml', '.pnpmfile.cjs', '.yarn/releases/yarn-4.cjs'],
  ['installed-packages', 'install', /(^|\/)(node_modules|bower_components|vendor\/bundle|site-packages)\//i, 'an interpreter', 'is an installed package, which is run without a look at a lock file', 'node_modules/.bin/tsc'],
  ['deno', 'install', /(^|\/)deno\.(jsonc?|lock)$/i, 'deno', 'holds tasks and names modules by address', 'deno.json', 'deno.lock'],
  ['python-project', 'install', /(^|\/)(setup\.py|setup\.cfg|pyproject\.toml|hatch_build\.py)$/i, 'pip and build tools', 'is run, or names a build program that is run, on install', 'setup.py', 'pyproject.toml'],
  ['python-requirements', 'install', /(^|\/)([^/]*requirements[^/]*|constraints)\.(txt|in)$|(^|\/)requirements\/[^/]+\.(txt|in)$/i, 'pip', 'names packages, files and indexes to install from', 'requirements.txt', 'requirements/dev.txt'],
  ['python-lockfile', 'install', /(^|\/)(pipfile(\.lock)?|poetry\.lock|uv\.lock|pdm\.lock|pixi\.(lock|toml)|conda-lock\.ya?ml|environment\.ya?ml)$/i, 'a Python package manager', 'names the exact packages that are installed', 'poetry.lock', 'uv.lock', 'Pipfile'],
  ['python-index', 'install', /(^|\/)(pip\.conf|pip\.ini|\.pypirc|uv\.toml|poetry\.toml)$/i, 'a Python package manager', 'names the index that packages come from', 'pip.conf', 'uv.toml'],
  ['python-startup', 'enter', /(^|\/)(sitecustomize|usercustomize)\.py$|\.pth$|(^|\/)pyvenv\.cfg$|(^|\/)\.?venv\/(bin|scripts)\//i, 'python', 'is run, or chooses the interpreter, at every start of Python', 'sitecustomize.py', 'lib/evil.pth', '.venv/pyvenv.cfg', '.venv/bin/activate'],
  ['cargo-manifest', 'install', /(^|\/)cargo\.toml$/i, 'cargo', 'names dependencies and build programs', 'Cargo.toml'],
  ['cargo-lockfile', 'install', /(^|\/)cargo\.lock$/i, 'cargo', 'names the exact packages that are built', 'Cargo.lock'],
  ['cargo-build', 'build', /(^|\/)build\.rs$|(^|\/)\.cargo\/config(\.toml)?$|(^|\/)rust-toolchain(\.toml)?$/i, 'cargo', 'is run by the build, or names a linker, runner or toolchain', 'build.rs', '.cargo/config.toml', 'rust-toolchain.toml'],
  ['go-modules', 'install', /(^|\/)go\.(mod|work)$/i, 'go', 'names modules, replacements and the toolchain that is fetched', 'go.mod'],
  ['go-sums', 'install', /(^|\/)go\.(work\.)?sum$/i, 'go', 'names the exact modules that are built', 'go.sum'],
  ['ruby-manifest', 'install', /(^|\/)(gemfile|gems\.rb|[^/]+\.gemspec)$/i, 'bundler', 'is Ruby code that runs on install', 'Gemfile', 'shop.gemspec'],
  ['ruby-lockfile', 'install', /(^|\/)(gemfile|gems)\.(lock|locked)$/i, 'bundler', 'names the exact gems that are installed', 'Gemfile.lock'],
  ['ruby-bundle', 'install', /(^|\/)\.bundle\/config$/i, 'bundler', 'names sources and paths of gems', '.bundle/config'],
  ['php-manifest', 'install', /(^|\/)composer\.json$/i, 'composer', 'holds scripts that run on install, and names dependencies', 'composer.json'],
  ['php-lockfile', 'install', /(^|\/)composer\.lock$/i, 'composer', 'names the exact packages that are installed', 'composer.lock'],
  ['maven', 'build', /(^|\/)(pom\.xml|mvnw(\.cmd)?|\.mvn\/.*|settings-?\w*\.xml)$/i, 'maven', 'names plug-ins, repositories and a wrapper that are fetched and run', 'pom.xml', '.mvn/extensions.xml'],
  ['gradle', 'build', /(^|\/)([^/]+\.gradle(\.kts)?|gradlew(\.bat)?|gradle\.properties|gradle\/.*)$/i, 'gradle', 'is code, or names what is fetched and run, also when an editor opens the project', 'build.gradle.kts', 'gradle/wrapper/gradle-wrapper.properties'],
  ['scala-clojure', 'build', /(^|\/)(build\.sbt|project\/[^/]+\.(sbt|scala)|project\/build\.properties|build\.sc|deps\.edn|project\.clj|build\.boot)$/i, 'sbt, mill, clojure', 'is code that defines the build', 'build.sbt', 'deps.edn'],
  ['dotnet', 'build', /\.(cs|fs|vb|vcx|sql)proj$|\.(props|targets|sln|slnx)$|(^|\/)(nuget\.config|packages\.(lock\.json|config)|global\.json|paket\.(dependencies|lock))$/i, 'msbuild and nuget', 'names targets that run, packages and sources', 'App.csproj', 'Directory.Build.targets', 'nuget.config'],
  ['other-manifest', 'install', /(^|\/)(mix\.(exs|lock)|rebar\.config|package\.(swift|resolved)|podfile(\.lock)?|[^/]+\.podspec|cartfile|pubspec\.(ya?ml|lock)|stack\.ya?ml|cabal\.project|[^/]+\.cabal|elm\.json|shard\.(ya?ml|lock)|dub\.(json|sdl)|cpanfile|makefile\.pl|build\.pl|description|renv\.lock|project\.toml|manifest\.toml|conanfile\.(py|txt)|vcpkg\.json|build\.zig(\.zon)?|dune-project|[^/]+\.(opam|nimble|rockspec))$/i, 'a package manager', 'names dependencies, or is code that runs on install', 'mix.exs', 'Package.swift', 'Podfile', 'build.zig'],
];

/** What package managers fetch and run. */
export const PACKAGE_KINDS = toKinds(ROWS);
