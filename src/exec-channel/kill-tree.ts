// Scope: ends or signals everything that one command started in the bottle, also what left its session or was adopted by PID 1.
// Out of scope: a child that cleaned its environment and was adopted by PID 1 before the kill, and a command that holds every
// process that the bottle may have (the kill is itself a process); both end with the bottle.
// Fail-safe direction: the kill's wall time is bounded by the caller; the command counts as ended even where the bottle does not answer.
import { quote } from './shell-command.ts';

/** Environment variable that every process of one command inherits. */
export const EXEC_VARIABLE = 'TEROK_EXEC_ID';

/** Exit status of both scripts where no process was found; a shell that is about to become the command carries no mark yet. */
export const NOBODY = 2;

/** What tells the processes of a command from others. */
export interface Tree {
  readonly execId: string;
  /** Its first process, while that lives; it may have cleaned its environment */
  readonly pid: number | undefined;
}

/**
 * Prints the pids of the command: its first process, all that carry the mark, and all their descendants. `status` is used because its
 * lines, unlike those of `stat`, cannot be forged by a process name.
 */
function findProcesses({ execId, pid = 0 }: Tree): string {
  const mark = quote(`${EXEC_VARIABLE}=${execId}`);
  const program = `/environ$/{split($0,p,"/");hit[p[3]]=1;next}
{split($1,p,"/");pid=p[3]}
$1~/:State:$/{if($2=="Z")dead[pid]=1}
$1~/:PPid:$/{parent[pid]=$2}
END{if(${pid} in parent)hit[${pid}]=1;do{more=0;for(pid in parent)if(!(pid in hit)&&(parent[pid] in hit)){hit[pid]=1;more=1}}while(more)
for(pid in hit)if(!(pid in dead)&&pid>1)printf "%s ",pid}`;
  return `{ grep -lzsxF -e ${mark} /proc/[0-9]*/environ;grep -HsE '^(State|PPid):' /proc/[0-9]*/status;}|awk ${quote(program)}`;
}

/** A shell program that sends one signal to the command and all its descendants. */
export function signalScript(tree: Tree, signal: string): string {
  return `all=$(${findProcesses(tree)});[ "$all" ]||exit ${NOBODY};kill -${signal} $all 2>/dev/null;:`;
}

/** A shell program that stops, then kills all of the command, until nothing of it is left. */
export function killScript(tree: Tree): string {
  return `seen=;n=0
find() { ${findProcesses(tree)};}
while [ $n -lt 50 ];do n=$((n+1));all=$(find);[ "$all" ]||{ [ "$seen" ]||exit ${NOBODY};exit 0;}
if [ "$all" != "$seen" ]&&[ $n -lt 5 ];then kill -STOP $all 2>/dev/null;seen=$all;else kill -KILL $all 2>/dev/null;sleep 0.02;fi;done;exit 1`;
}
