#!/usr/bin/env bash
# Three bare hosts out of namespaces, with file systems, addresses and users of their own, and on
# them, in order, the commands of docs/install.md.
#     hosts.sh REPOSITORY PROGRAM BLOCKS
# BLOCKS is a folder of scripts `NUMBER-HOST.sh`. It is to run as root, in mount, network and PID
# namespaces of its own.
set -euo pipefail
repository=$1 program=$2 blocks=$3
here=$repository/tests/stack/install
export HOSTS=/mnt REPOSITORY=$repository PROGRAM=$program

mount -t tmpfs tmpfs "$HOSTS"
ip link add name switch type bridge
ip link set dev switch up

# What a host changes is in memory, over what this machine has.
host() { # NAME
    local folder layer=$HOSTS/$1
    for folder in etc usr/local usr/lib/sysusers.d var root; do
        mkdir -p "$layer/upper/$folder" "$layer/work/$folder"
        mount -t overlay overlay "/$folder" \
            -o "lowerdir=/$folder,upperdir=$layer/upper/$folder,workdir=$layer/work/$folder"
    done
    mount -t tmpfs tmpfs /run
    cat >>/etc/hosts <<<$'10.99.0.1 job.internal\n10.99.0.2 db.internal\n10.99.0.3 gateway.internal'
    ip link set dev lo up
    "prepare_$1"
    touch "$layer/ready"
    exec sleep infinity
}

prepare_job() {
    # What was fetched from the provider.
    mkdir /root/export
    cp -p "$(dirname "$BLOCKS")"/export/* /root/export/
}

# As the package leaves it, whatever cluster this machine has.
prepare_db() {
    for folder in /etc/postgresql /var/lib/postgresql /var/log/postgresql; do
        mkdir -p "$folder"
        mount -t tmpfs tmpfs "$folder"
    done
    install -d -o postgres -g postgres -m 2775 /run/postgresql
    chown root:postgres /var/log/postgresql
    chmod 1775 /var/log/postgresql
    pg_createcluster 15 main >/dev/null
}

# As Grafana's package leaves it.
prepare_gateway() {
    useradd --system --no-create-home --user-group grafana
    mkdir -p /etc/grafana
}

export BLOCKS=$blocks
export -f host prepare_job prepare_db prepare_gateway
number=0
for name in job db gateway; do
    number=$((number + 1))
    mkdir -p "$HOSTS/$name"
    unshare --mount --propagation=private --net --uts \
        bash -euo pipefail -c "hostname $name; host $name" &
    echo $! >"$HOSTS/$name/pid"
    until [ -e "$HOSTS/$name/ready" ]; do kill -0 $!; sleep 0.1; done
    ip link add "port$number" type veth peer name eth0 netns $!
    ip link set dev "port$number" master switch up
    on=(nsenter --target $! --net)
    "${on[@]}" ip address add "10.99.0.$number/24" dev eth0
    "${on[@]}" ip link set dev eth0 up
done

# What stands one after the other for the same host is done in one shell, as somebody would who
# pastes it: what a block leaves behind (a folder, a umask, a variable) must not harm the next.
do_all() {
    local name=${1##*-} pid
    pid=$(cat "$HOSTS/${name%.sh}/pid")
    nsenter --target "$pid" --mount --net --uts --wd="$repository" \
        env HOME=/root PATH="$here/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin:$PATH" \
        bash -euo pipefail -c 'for block; do echo "== ${block##*/}"; . "$block"; done' bash "$@"
}

group=()
for block in "$blocks"/*; do
    if [ ${#group[@]} != 0 ] && [ "${group[0]##*-}" != "${block##*-}" ]; then
        do_all "${group[@]}"
        group=()
    fi
    group+=("$block")
done
do_all "${group[@]}"
echo "== all done"
