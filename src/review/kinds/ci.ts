import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['github-workflow', 'ci', /^\.github\/workflows\/[^/]+\.ya?ml$/i, 'GitHub Actions', 'runs on a push or pull request, with the secrets of the repository', '.github/workflows/ci.yml'],
  ['github-action', 'ci', /(^|\/)action\.ya?ml$/i, 'GitHub Actions', 'is an action that workflows call', 'action.yml', '.github/actions/setup/action.yaml'],
  ['gitea-workflow', 'ci', /^\.(gitea|forgejo)\/workflows\/[^/]+\.ya?ml$/i, 'Gitea or Forgejo Actions', 'runs on a push or pull request', '.gitea/workflows/ci.yml', '.forgejo/workflows/ci.yaml'],
  ['gitlab-ci', 'ci', /(^|\/)\.gitlab-ci\.ya?ml$|^\.gitlab\/ci\//i, 'GitLab CI', 'runs on every push, with the variables of the project', '.gitlab-ci.yml', '.gitlab/ci/build.yml'],
  ['circleci', 'ci', /^\.circleci\//i, 'CircleCI', 'runs on every push', '.circleci/config.yml'],
  ['travis', 'ci', /^\.travis\.ya?ml$/i, 'Travis CI', 'runs on every push', '.travis.yml'],
  ['jenkins', 'ci', /(^|\/)jenkinsfile([.-][^/]*)?$|\.jenkinsfile$/i, 'Jenkins', 'is the pipeline that Jenkins runs', 'Jenkinsfile', 'ci/Jenkinsfile.release'],
  ['azure-pipelines', 'ci', /(^|\/)azure-pipelines[^/]*\.ya?ml$|^\.azure-pipelines\//i, 'Azure Pipelines', 'runs on every push', 'azure-pipelines.yml'],
  ['bitbucket-pipelines', 'ci', /^bitbucket-pipelines\.ya?ml$/i, 'Bitbucket Pipelines', 'runs on every push', 'bitbucket-pipelines.yml'],
  ['woodpecker-drone', 'ci', /^\.(drone|woodpecker)(\.ya?ml|\/)/i, 'Drone or Woodpecker', 'runs on every push', '.drone.yml', '.woodpecker/test.yml'],
  ['buildkite', 'ci', /^\.buildkite\//i, 'Buildkite', 'runs on every push', '.buildkite/pipeline.yml'],
  ['cirrus', 'ci', /^\.cirrus\.(ya?ml|star)$/i, 'Cirrus CI', 'runs on every push', '.cirrus.yml'],
  ['semaphore', 'ci', /^\.semaphore\//i, 'Semaphore', 'runs on every push', '.semaphore/semaphore.yml'],
  ['appveyor', 'ci', /^\.?appveyor\.ya?ml$/i, 'AppVeyor', 'runs on every push', 'appveyor.yml'],
  ['teamcity', 'ci', /^\.teamcity\//i, 'TeamCity', 'is code that defines the builds', '.teamcity/settings.kts'],
  ['cloud-build', 'ci', /(^|\/)(cloudbuild|buildspec|amplify|codefresh)\.(ya?ml|json)$/i, 'a cloud build service', 'runs with the rights of the cloud project', 'cloudbuild.yaml', 'buildspec.yml'],
  ['deploy-hook', 'ci', /(^|\/)(vercel|netlify|fly|render|railway|app|heroku)\.(json|toml|ya?ml)$|(^|\/)procfile$/i, 'a hosting service', 'says what is built and started on deployment', 'vercel.json', 'netlify.toml', 'Procfile'],
  ['update-bot', 'ci', /^\.github\/dependabot\.ya?ml$|(^|\/)\.?renovate(rc)?(\.json5?)?$/i, 'a bot that updates dependencies', 'decides which packages are taken in and merged', '.github/dependabot.yml', 'renovate.json'],
  ['code-owners', 'ci', /(^|\/)codeowners$/i, 'the forge', 'decides whose review a change needs', '.github/CODEOWNERS', 'CODEOWNERS'],
  ['forge-settings', 'ci', /^\.github\/settings\.ya?ml$|^\.github\/(mergify|auto-merge)\.ya?ml$|^\.mergify\.ya?ml$/i, 'a bot of the forge', 'decides what is merged, and by whom', '.mergify.yml', '.github/settings.yml'],
  ['release', 'ci', /(^|\/)\.?(goreleaser|release-please-config|releaserc|semantic-release)(\.(ya?ml|json|js|cjs|mjs))?$/i, 'a release tool', 'says what is built and published', '.goreleaser.yml', '.releaserc'],
  ['kubernetes', 'ci', /(^|\/)(kustomization|skaffold|helmfile|chart)\.ya?ml$|(^|\/)(k8s|kubernetes|manifests|helm)\/.*\.ya?ml$/i, 'a deployment tool', 'says which containers a cluster runs', 'k8s/deployment.yaml', 'kustomization.yaml'],
  ['infrastructure', 'ci', /\.(tf|tofu|tfvars|hcl|bicep)$|(^|\/)(pulumi|serverless|cdk)\.(ya?ml|json)$/i, 'Terraform and its kin', 'changes infrastructure; a plan can already run programs', 'main.tf', 'serverless.yml'],
];

/** What runs away from this machine because of a push. */
export const CI_KINDS = toKinds(ROWS);
