import { type KindRow, toKinds } from '../file-kind.ts';

// biome-ignore format: a table, one kind a line
const ROWS: readonly KindRow[] = [
  ['direnv', 'enter', /(^|\/)\.(envrc|autoenv(\.zsh)?|env\.(enter|leave)|in|out)$|(^|\/)\.direnv\//i, 'direnv and its kin', 'is run when a shell enters the directory', '.envrc', '.autoenv.zsh'],
  ['environment', 'enter', /(^|\/)\.env([.-][^/]*)?$|(^|\/)\.flaskenv$/i, 'many tools', 'sets variables that choose programs and addresses', '.env', '.env.local'],
  ['version-manager', 'enter', /(^|\/)(\.?mise(\.[^/]+)?\.toml|\.?mise\/.*|\.tool-versions|\.(node|ruby|python|java|go|terraform|php)-version|\.nvmrc|\.sdkmanrc|\.rvmrc|\.volta|asdf\.[^/]+|\.prototools|\.python-version)$/i, 'a version manager', 'chooses or runs programs when a shell enters the directory', '.tool-versions', 'mise.toml', '.nvmrc', '.rvmrc'],
  ['shell-start', 'enter', /(^|\/)[._]?(bash(rc|_profile|_login|_logout|_aliases)|zsh(rc|env)|zprofile|zlogin|zlogout|profile|kshrc|cshrc|tcshrc|login|logout|inputrc|xonshrc|config\.fish|config\.nu|env\.nu)$|(^|\/)\.config\/(fish|nushell|zsh|powershell)\/|profile\.ps1$/i, 'a shell', 'is run when a shell starts, where it lands in a home directory', '.bashrc', '.profile', 'home/.config/fish/config.fish'],
  ['interpreter-start', 'enter', /(^|\/)\.(irbrc|pryrc|rprofile|renviron|octaverc|ghci|psqlrc|sqliterc|mysqlrc|my\.cnf|node_repl_history|pythonrc(\.py)?|perltidyrc|iex\.exs|erlang|utoprc|ocamlinit|juliarc\.jl|rspec|byebugrc|wgetrc|curlrc|netrc|screenrc|tmux\.conf|lesskey|lessfilter|mailcap|sbclrc|guile)$/i, 'a program that is started in the directory', 'is read or run at its start', '.irbrc', '.Rprofile', '.psqlrc', '.ghci', '.tmux.conf'],
  ['keys', 'use', /(^|\/)(\.(ssh|gnupg|aws|kube|docker|azure)\/|authorized_keys$|known_hosts$|\.netrc$|_netrc$)/i, 'ssh, gpg, cloud tools', 'decides who may log in, and where credentials go; ssh configuration runs programs', '.ssh/config', '.aws/config', '.kube/config'],
  ['scheduled', 'use', /(^|\/)(cron(tab|\.d\/.*|\.(daily|hourly|weekly|monthly)\/.*)|autostart\/.*)$|\.(service|timer|socket|path|plist)$|(^|\/)(launchagents|launchdaemons|init\.d|rc\.local|udev\/rules\.d|systemd)(\/|$)/i, 'the system', 'is started on a schedule, at login or at boot, where it lands in such a place', 'etc/cron.d/sync', 'sync.service', 'LaunchAgents/sync.plist'],
  ['desktop-launcher', 'open', /\.(desktop|lnk|url|webloc|scf|library-ms|search-ms|command|workflow|terminal|inetloc|fileloc|scptd?|applescript)$|(^|\/)(autorun\.inf|desktop\.ini|\.directory)$|\.app\/contents\//i, 'a file manager', 'runs a program, or calls home, when it is opened or only shown', 'readme.desktop', 'invoice.lnk', 'Install.command', 'desktop.ini'],
  ['windows-script', 'open', /\.(bat|cmd|ps1|psm1|psd1|vbs|vbe|jse|wsf|wsh|hta|msc|reg|inf|scr|pif|cpl|chm|msi|msix|appx|appinstaller|settingcontent-ms|gadget)$/i, 'Windows', 'is run when it is opened', 'setup.ps1', 'run.bat', 'page.hta'],
  ['office-macro', 'open', /\.(doc|xls|ppt|dot|xlt)m$|\.(xlam|xla|ppam|xll|slk|iqy|odb|docb|one|accdb|mdb)$/i, 'an office program', 'holds macros, or fetches data, when it is opened', 'budget.xlsm', 'letter.docm'],
  ['native-code', 'use', /\.(exe|dll|sys|so(\.\d+)*|dylib|node|a|lib|o|ko|elf|wasm|bundle|framework|xpc)$/i, 'the system or an interpreter', 'is machine code that no diff shows', 'prebuilds/addon.node', 'lib/evil.so', 'tool.exe'],
  ['bytecode', 'use', /\.(py[cod]|class|jar|war|ear|dex|beam|elc|luac|hi|rbc|phar|egg|whl|gem|nupkg|vsix|xpi|crx|apk|aab|ipa|deb|rpm|snap|flatpak|appimage|dmg|pkg|iso|img)$/i, 'an interpreter or installer', 'is compiled or packed code that no diff shows', '__pycache__/conf.cpython-313.pyc', 'libs/tool.jar', 'tool.AppImage'],
  ['serialised-code', 'use', /\.(pkl|pickle|pt|pth|ckpt|joblib|npy|npz|h5|keras|rds|rdata|dill|mat)$/i, 'a data library', 'can hold code that runs when it is loaded', 'model.pkl', 'weights.ckpt', 'cache.rds'],
  ['shell-script', 'use', /\.(sh|bash|zsh|fish|ksh|csh|command|tool|nu|awk|tcl|expect)$/i, 'a shell', 'is a list of commands', 'install.sh', 'scripts/deploy.bash'],
  ['archive', 'open', /\.(zip|tar|t[gbx]z2?|gz|bz2|xz|zst|7z|rar|cab|cpio|lzh|arj)$/i, 'an unpacker', 'holds files that this list does not see', 'assets.zip', 'vendor.tar.gz'],
  ['web-server', 'use', /(^|\/)(\.htaccess|\.htpasswd|web\.config|\.user\.ini|php\.ini|nginx\.conf|caddyfile|httpd\.conf|_headers|_redirects)$/i, 'a web server', 'decides what it serves and runs', '.htaccess', 'web.config', 'Caddyfile'],
];

/** What a shell, a desktop or an interpreter runs on the machine where the file lands. */
export const HOST_KINDS = toKinds(ROWS);
