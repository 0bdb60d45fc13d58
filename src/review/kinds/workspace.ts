import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['vscode', 'open', /(^|\/)\.vscode\/|\.code-workspace$/i, 'VS Code and its kin', 'holds tasks, launchers and paths of programs that run when the directory is opened', '.vscode/tasks.json', 'shop.code-workspace'],
  ['jetbrains', 'open', /(^|\/)\.(idea|run|fleet)\/|\.(iml|ipr|iws)$/i, 'a JetBrains editor', 'holds run configurations, watchers and start-up tasks', '.idea/workspace.xml', '.run/dev.run.xml'],
  ['vim', 'open', /(^|\/)(\.exrc|_exrc|\.n?vimrc|\.nvim\.lua|\.lvimrc|\.vim\/|\.vimspector\.json|\.projections\.json|\.local\.vim)/i, 'vim, neovim', 'is run when a file of the directory is opened, where `exrc` is set', '.exrc', '.nvim.lua', '.vim/coc-settings.json'],
  ['emacs', 'open', /(^|\/)(\.dir-locals(-2)?\.el|\.emacs(\.d\/.*)?|\.projectile|\.elpaignore)$|\.elc$/i, 'emacs', 'sets variables that can be code when a file is opened', '.dir-locals.el', 'lisp/evil.elc'],
  ['other-editor', 'open', /(^|\/)\.(zed|helix|kakrc|nova|theia|eclipse|settings|lapce|cursorless)(\/|$)|\.sublime-(project|workspace|build)$|(^|\/)\.(project|classpath|factorypath)$/i, 'an editor', 'names programs and tasks that it runs', '.zed/tasks.json', '.helix/languages.toml', 'shop.sublime-project'],
  ['visual-studio', 'open', /(^|\/)\.vs\/|(^|\/)launchsettings\.json$|\.(suo|user|runsettings)$/i, 'Visual Studio', 'holds launchers and cached code that is loaded on opening', '.vs/shop/v17/.suo', 'Properties/launchSettings.json'],
  ['xcode', 'open', /\.(xcodeproj|xcworkspace|playground|xcconfig)(\/|$)/i, 'Xcode', 'holds build phases and schemes that run scripts', 'App.xcodeproj/project.pbxproj'],
  ['debugger', 'open', /(^|\/)\.?(gdbinit|lldbinit|cgdb|pdbrc(\.py)?|radare2rc|windbg)$|-gdb\.(py|gdb|scm)$/i, 'a debugger', 'is run when a debugger starts in the directory', '.gdbinit', '.lldbinit', '.pdbrc'],
  ['notebook', 'open', /\.(ipynb|rmd|qmd|mlx|nb|pluto\.jl)$|(^|\/)\.jupyter\//i, 'a notebook', 'holds code and output with scripts that a viewer may run', 'analysis.ipynb', 'report.Rmd'],
  ['claude', 'agent', /(^|\/)(\.claude(\.json|\/)|claude(\.local)?\.md$)/i, 'Claude Code', 'holds hooks, permissions, commands and instructions for the next agent', '.claude/settings.json', 'CLAUDE.md'],
  ['mcp', 'agent', /(^|\/)\.?mcp(_servers|-servers)?\.(json|toml)$|(^|\/)\.mcp\//i, 'an agent or editor with MCP', 'names programs that are started as servers', '.mcp.json', 'mcp.json'],
  ['codex', 'agent', /(^|\/)(\.codex\/|agents(\.override)?\.md$|\.agents\/)/i, 'Codex and other agents', 'holds configuration and instructions for the next agent', '.codex/config.toml', 'AGENTS.md'],
  ['cursor', 'agent', /(^|\/)\.cursor(rules|ignore|indexingignore)?(\/|$)/i, 'Cursor', 'holds rules, hooks and servers that it starts', '.cursor/hooks.json', '.cursorrules'],
  ['copilot', 'agent', /(^|\/)\.github\/(copilot[^/]*|(instructions|prompts|chatmodes|agents|skills|hooks)\/.*)$/i, 'GitHub Copilot', 'holds instructions and hooks for an agent', '.github/copilot-instructions.md', '.github/prompts/fix.prompt.md'],
  ['other-agent', 'agent', /(^|\/)(\.(gemini|windsurf|continue|opencode|kiro|amazonq|goose|roo|qwen|crush|aider|augment|trae|junie|factory|amp|clinerules|kilocode|vibe|pi|openhands)(\/|\.[^/]+$|$)|gemini\.md$|qwen\.md$|warp\.md$|crush\.(json|md)$|opencode\.jsonc?$|\.(windsurf|goose|roo|augment|aider|cline)(rules|hints|modes|ignore|-guidelines)[^/]*$|\.aider\.conf\.ya?ml$)/i, 'an AI agent', 'holds configuration, servers and instructions for the next agent', '.gemini/settings.json', '.goosehints', 'opencode.json', '.aider.conf.yml'],
  ['agent-skill', 'agent', /(^|\/)(skill|memory|soul)\.md$|(^|\/)\.?(prompts|skills)\/.*\.md$/i, 'an AI agent', 'is text that an agent takes as an instruction', 'skills/deploy/SKILL.md', 'SKILL.md'],
  ['terok', 'agent', /(^|\/)\.?terok\.(ya?ml|json)$|(^|\/)\.terok\//i, 'terok', 'asks for routes, images and settings of the next task', '.terok.yml', 'terok.yml'],
];

/** What editors and AI agents run. */
export const WORKSPACE_KINDS = toKinds(ROWS);
