# SPDX-License-Identifier: MIT
#
# Completion of pagepoolctl for bash. Clients and pools are asked of the daemon; without one there is
# just nothing to offer.

_pagepoolctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='status zoneinfo buddyinfo pagetypeinfo slabinfo clients blocks limits reload'
	commands+=' check ping version help'
	local options='--socket --json --help' command='' i
	local -a ask=("${COMP_WORDS[0]}")

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ask+=(--socket "${COMP_WORDS[++i]}") ;;
		--client | --pool | --count | --in-the-way | --node) ((i++)) ;;
		-*) ;;
		*) command=${command:-${COMP_WORDS[i]}} ;;
		esac
	done

	COMPREPLY=()
	case $previous in
	--socket)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--client)
		mapfile -t COMPREPLY < <(compgen -W "$("${ask[@]}" clients 2>/dev/null |
			awk 'NR > 1 { print $1 }')" -- "$current")
		return
		;;
	--pool)
		mapfile -t COMPREPLY < <(compgen -W "$("${ask[@]}" buddyinfo 2>/dev/null |
			awk 'NR > 1 { print $1 }' | sort -u)" -- "$current")
		return
		;;
	--in-the-way)
		mapfile -t COMPREPLY < <(compgen -W "$(seq 9 18)" -- "$current")
		return
		;;
	--count | --node) return ;;
	esac

	case $command in
	blocks) options+=' --client --pool --in-the-way --node' ;;
	slabinfo) options+=' --pool' ;;
	check) options+=' --objects --pool' ;;
	ping) options+=' --count' ;;
	help) [[ $previous == help ]] && options=$commands ;;
	'') [[ $current == -* ]] && options+=' --version' || options=$commands ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}

complete -F _pagepoolctl pagepoolctl
