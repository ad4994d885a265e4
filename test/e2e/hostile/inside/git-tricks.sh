#!/bin/sh
# The hostile agent turns every knob of git that can start a program. `git-tricks.sh <repository> <folder outside>…`
# The program notes that it ran, and tries to leave a mark wherever it can.
set -u
repository=$1
cd /workspace
mkdir -p .evil/hooks
{
  echo '#!/bin/sh'
  echo 'echo "$0 $*" >> /workspace/.git/evil-ran'
  for folder in "$@" "$repository/.git" "$repository/.git/hooks" /usr /etc /run/berth /run/berth-in /run/berth-out /run/berth-quarantine; do
    echo "(echo hostile > '$folder/hostile-marker') 2>/dev/null"
  done
  echo "(git -C '$repository' branch hostile-branch HEAD) >/dev/null 2>&1"
} > .evil/program
# A filter must give back what it was given, or nothing would be committed at all.
{ cat .evil/program; echo 'exec cat'; } > .evil/filter
chmod +x .evil/program .evil/filter
for hook in pre-commit post-commit commit-msg prepare-commit-msg pre-push post-index-change reference-transaction post-checkout post-rewrite pre-auto-gc fsmonitor-watchman update pre-receive post-receive; do
  cp .evil/program ".evil/hooks/$hook"
  cp .evil/program ".git/hooks/$hook"
done
printf '[core]\n\tpager = /workspace/.evil/program\n[alias]\n\tadd = !/workspace/.evil/program\n' > .evil/config
cp .evil/config "$HOME/.gitconfig"
set_() { git config --local "$1" "$2"; }
p=/workspace/.evil/program
set_ core.fsmonitor $p
set_ core.hooksPath /workspace/.evil/hooks
set_ core.sshCommand $p
set_ core.gitProxy $p
set_ core.editor $p
set_ core.askPass $p
set_ core.alternateRefsCommand $p
set_ gpg.program $p
set_ commit.gpgSign true
set_ push.gpgSign true
set_ filter.evil.clean /workspace/.evil/filter
set_ filter.evil.smudge /workspace/.evil/filter
set_ filter.evil.required true
set_ diff.external $p
set_ diff.evil.textconv $p
set_ diff.evil.command $p
set_ merge.evil.driver $p
set_ credential.helper "!$p"
set_ uploadpack.packObjectsHook $p
set_ remote.origin.uploadpack $p
set_ remote.origin.receivepack $p
set_ remote.origin.pushurl "ext::$p"
set_ remote.origin.vcs evil
set_ protocol.ext.allow always
set_ include.path /workspace/.evil/config
set_ "url.ext::$p.insteadOf" "$repository"
set_ alias.bundle "!$p"
set_ trailer.x.command $p
set_ interactive.diffFilter $p
set_ gc.auto 1
set_ submodule.recurse true
printf '* filter=evil diff=evil merge=evil\n' > .gitattributes
mkdir -p .git/objects/info && echo "$repository/.git/objects" > .git/objects/info/alternates
echo work > work.txt
echo planted
