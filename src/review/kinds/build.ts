import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['make', 'build', /(^|\/)(gnu)?makefile(\.[^/]*)?$|\.(mk|mak)$/i, 'make', 'is a list of commands; parsing it can already run some', 'Makefile', 'build/rules.mk'],
  ['task-runner', 'build', /(^|\/)(\.?justfile|[^/]+\.just|taskfile\.(ya?ml|dist\.ya?ml)|rakefile|[^/]+\.rake|gulpfile\.[^/]+|gruntfile\.[^/]+|jakefile(\.js)?|cakefile|magefile\.go|tasks\.py|noxfile\.py|dodo\.py|fabfile\.py|earthfile|dagger\.json|turbo\.json|nx\.json|lerna\.json)$/i, 'a task runner', 'is a list of commands', 'justfile', 'Taskfile.yml', 'Rakefile', 'gulpfile.js'],
  ['configure', 'build', /(^|\/)(configure(\.(ac|in))?|autogen\.sh|bootstrap(\.sh)?|cmakelists\.txt|cmakepresets\.json|meson\.build|sconstruct|sconscript|wscript|premake5\.lua|xmake\.lua|binding\.gyp)$|\.(cmake|gypi?|m4)$/i, 'a build tool', 'runs when the build is configured, also by an editor', 'configure', 'CMakeLists.txt', 'meson.build'],
  ['bazel', 'build', /(^|\/)((build|workspace|module)(\.bazel)?|buck|\.buckconfig|\.bazel(rc|version|iskrc))$|\.bzl$/i, 'bazel, buck', 'is code that defines the build', 'BUILD.bazel', 'WORKSPACE', '.bazelrc'],
  ['container', 'build', /(^|\/)((docker|container)file([.-][^/]*)?|[^/]+\.(docker|container)file)$/i, 'a container build', 'runs commands, often with access to the network and to secrets', 'Dockerfile', 'docker/Dockerfile.dev', 'app.Dockerfile'],
  ['compose', 'build', /(^|\/)(docker-)?compose([.-][^/]*)?\.ya?ml$|(^|\/)docker-bake\.(hcl|json)$/i, 'docker or podman compose', 'starts containers, with mounts of this machine', 'docker-compose.yml', 'compose.override.yaml'],
  ['dev-container', 'open', /(^|\/)\.devcontainer(\/|\.json$)/i, 'an editor', 'says what is built, mounted and run when the directory is opened', '.devcontainer/devcontainer.json', '.devcontainer.json'],
  ['virtual-machine', 'build', /(^|\/)(vagrantfile|[^/]+\.pkr\.hcl|tiltfile|lima\.ya?ml)$/i, 'a tool that makes machines', 'is code that runs on this machine', 'Vagrantfile', 'Tiltfile'],
  ['script-configuration', 'build', /(^|\/)[^/]+\.config\.[cm]?[jt]sx?$|(^|\/)\.[a-z-]+rc\.[cm]?[jt]s$|(^|\/)(vite|vitest|webpack|rollup|babel|karma|protractor|metro)\.[^/]*\.[cm]?[jt]s$/i, 'a JavaScript tool', 'is code that a bundler, linter or test runner loads, also from an editor', 'vite.config.ts', '.eslintrc.cjs', 'jest.config.js'],
  ['plug-in-configuration', 'build', /(^|\/)(\.(babel|eslint|prettier|stylelint|postcss|swc|mocha|nyc|npmpackagejsonlint)rc(\.(json|ya?ml))?|\.mocharc\.[^/]+|tsconfig[^/]*\.json|jsconfig\.json|biome\.jsonc?|\.oxlintrc\.json|knip\.jsonc?)$/i, 'a JavaScript tool or editor', 'can name plug-ins, which are code', '.babelrc', 'tsconfig.json', '.eslintrc.json'],
  ['python-test', 'build', /(^|\/)(conftest\.py|tox\.ini|pytest\.ini|\.coveragerc|mypy\.ini|\.mypy\.ini|\.pylintrc|pylintrc|\.flake8|ruff\.toml|manage\.py)$/i, 'a Python test runner or linter', 'is loaded, or names plug-ins that are loaded', 'conftest.py', 'tox.ini', '.pylintrc'],
  ['nix', 'enter', /(^|\/)(flake\.(nix|lock)|shell\.nix|default\.nix|devenv\.(nix|ya?ml|lock)|devbox\.json)$/i, 'nix', 'says what is fetched, built and run for the shell of the directory', 'flake.nix', 'shell.nix'],
  ['documentation-build', 'build', /(^|\/)(mkdocs\.ya?ml|_config\.ya?ml|docs?\/conf\.py|book\.toml|\.readthedocs\.ya?ml|typedoc\.json)$/i, 'a documentation tool', 'names plug-ins, or is code', 'docs/conf.py', 'mkdocs.yml'],
  ['code-generation', 'build', /(^|\/)(buf\.(gen\.)?ya?ml|codegen\.ya?ml|openapi-generator\.[^/]+|orval\.config\.[^/]+|sqlc\.ya?ml|\.graphqlrc[^/]*)$/i, 'a code generator', 'names plug-ins that run', 'buf.gen.yaml', 'codegen.yml'],
];

/** What builds, tests and linters run. */
export const BUILD_KINDS = toKinds(ROWS);
