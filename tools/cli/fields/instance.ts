/** Written by `npm run docs` from shared/model: change that. */

/** The kind and the fields of its wish; `[]` after a name stands for every item of a list. */
export const instance = {
  doc: 'A VM or container of a tenant.',
  plural: 'instances',
  scope: 'tenant',
  creatable: true,
  spec: {
    type: {
      doc: 'A virtual machine, or a container that shares the kernel of its host.',
      type: 'text',
      words: ['vm', 'container'],
      default: 'vm'
    },
    size: { doc: 'Named shape; gives vcpus and memoryMib where these are left out.', type: 'name' },
    vcpus: { doc: 'Virtual processors.', type: 'integer', unit: 'count', minimum: 1, maximum: 512 },
    memoryMib: { doc: 'Memory.', type: 'integer', unit: 'MiB', minimum: 16, maximum: 16777216 },
    image: {
      doc:
        'Image that the root volume is made from; without one, the first of volumes is the ' +
        'root.',
      type: 'name'
    },
    rootMib: {
      doc: "Size of the root volume; the image's own size when left out.",
      type: 'integer',
      unit: 'MiB',
      minimum: 1,
      maximum: 67108864
    },
    pool: { doc: 'Pool of the root volume.', type: 'name', default: 'local' },
    volumes: {
      doc: 'Further volumes, in the order in which the instance sees them.',
      type: 'list',
      default: [],
      itemsMax: 32
    },
    'volumes[]': { doc: 'Volume of the same tenant.', type: 'name' },
    ports: {
      doc: 'Plugs into networks, in the order in which the instance sees them.',
      type: 'list',
      default: [{ network: 'default' }],
      itemsMax: 16
    },
    'ports[].network': { doc: 'Network that the port is in.', type: 'name', required: true },
    'ports[].address': {
      doc: 'A fixed address; one is chosen otherwise.',
      type: 'text',
      format: 'ipv4'
    },
    userData: { doc: 'cloud-init user data, as it is.', type: 'text', lengthMax: 65536 },
    sshKeys: {
      doc: 'OpenSSH public keys, one line each.',
      type: 'list',
      default: [],
      itemsMax: 64
    },
    'sshKeys[]': { doc: 'An OpenSSH public key.', type: 'text', lengthMin: 16, lengthMax: 16384 },
    cpuBaseline: {
      doc:
        'portable: features that all hosts have, so that it can move; host: all that its ' +
        'host has.',
      type: 'text',
      words: ['portable', 'host'],
      default: 'portable'
    },
    desiredPower: {
      doc: 'The power state that it should be in.',
      type: 'text',
      words: ['running', 'paused', 'stopped'],
      default: 'running'
    },
    restart: { doc: 'What happens when the instance ends by itself.', type: 'object', default: {} },
    'restart.policy': {
      doc:
        'When an instance that ended by itself is started again: always, only after a crash ' +
        'or an ending by force, or never.',
      type: 'text',
      words: ['always', 'on-failure', 'never'],
      default: 'always'
    },
    'restart.delayMsMin': {
      doc: 'Wait before the first start again; doubles with each further one.',
      type: 'integer',
      unit: 'ms',
      default: 100,
      minimum: 0,
      maximum: 3600000
    },
    'restart.delayMsMax': {
      doc: 'The longest wait.',
      type: 'integer',
      unit: 'ms',
      default: 60000,
      minimum: 0,
      maximum: 86400000
    },
    'restart.resetMs': {
      doc: 'After so long a run the wait is the first one again.',
      type: 'integer',
      unit: 'ms',
      default: 60000,
      minimum: 1000,
      maximum: 86400000
    },
    restarts: {
      doc: 'Raise it by one to have the instance restarted once.',
      type: 'integer',
      unit: 'count',
      default: 0,
      minimum: 0,
      maximum: 1000000000
    },
    failedRunsMax: {
      doc:
        'After so many failed runs in a row on one host it goes to another one; 0: it ' +
        'stays. A run fails when it ends by itself sooner than restart.resetMs.',
      type: 'integer',
      unit: 'count',
      default: 5,
      minimum: 0,
      maximum: 1000
    },
    failedHostsMax: {
      doc: 'On so many hosts it is tried in that way before it counts as failed.',
      type: 'integer',
      unit: 'count',
      default: 3,
      minimum: 1,
      maximum: 64
    },
    stopGraceMs: {
      doc: 'How long it may take to shut down before its plug is pulled; 0: at once.',
      type: 'integer',
      unit: 'ms',
      default: 15000,
      minimum: 0,
      maximum: 3600000
    },
    priority: {
      doc: 'Who goes first when room is short; higher goes first.',
      type: 'integer',
      default: 500,
      minimum: 0,
      maximum: 1000
    },
    after: {
      doc: 'Instances that must be ready before it is started; what runs goes on without them.',
      type: 'list',
      itemsMax: 16
    },
    'after[]': { doc: 'Instance of the same tenant.', type: 'name' },
    readiness: {
      doc: 'When it counts as ready for those after it; left out: as soon as it runs.',
      type: 'object'
    },
    'readiness.tcp': {
      doc: 'TCP port at which it takes calls of its host, at the address of its first port.',
      type: 'integer',
      minimum: 1,
      maximum: 65535
    },
    'readiness.guestAgent': {
      doc: 'Whether its QEMU guest agent must be there; VMs alone have one.',
      type: 'boolean'
    },
    'readiness.phoneHome': {
      doc:
        'Whether it must have called http://GATEWAY:7416/ of its first port since its ' +
        'start; cloud-init is told to.',
      type: 'boolean'
    },
    'readiness.timeoutMs': {
      doc: 'After so long it is late, which is an alarm.',
      type: 'integer',
      unit: 'ms',
      default: 300000,
      minimum: 1000,
      maximum: 86400000
    },
    'readiness.late': {
      doc: 'What those after it do once it is late: wait on, or go on without it.',
      type: 'text',
      words: ['wait', 'go-on'],
      default: 'wait'
    },
    highlyAvailable: {
      doc: 'Whether it starts elsewhere when its host is proven dead.',
      type: 'boolean',
      default: true
    },
    migration: {
      doc:
        'How it is sent while it runs, whoever has it moved; what is wished of one move ' +
        'alone comes before it, and what is wished for all of a host after it.',
      type: 'object'
    },
    'migration.bandwidthMib': {
      doc: 'Most memory of one that is sent in a second.',
      type: 'integer',
      unit: 'MiB',
      minimum: 1,
      maximum: 1048576
    },
    'migration.downtimeMs': {
      doc: 'How long one may stand still at the end of its way.',
      type: 'integer',
      unit: 'ms',
      minimum: 1,
      maximum: 60000
    },
    'migration.postCopy': {
      doc:
        'Whether one that writes faster than it is sent may go on there before all of its ' +
        'memory has come (when-needed, the default): it is lost, and starts anew from its ' +
        'volumes, if a host or the line fails meanwhile.',
      type: 'text',
      words: ['never', 'when-needed']
    },
    host: { doc: 'The only host that it may run on.', type: 'name' },
    affinity: {
      doc: 'How it stands to others: apart from them, or with them.',
      type: 'list',
      itemsMax: 8
    },
    'affinity[].group': {
      doc: 'Group that it belongs to; its members are of one tenant.',
      type: 'name',
      required: true
    },
    'affinity[].rule': {
      doc: 'apart: at most max members in one domain; with: all of them in one domain.',
      type: 'text',
      words: ['apart', 'with'],
      default: 'apart'
    },
    'affinity[].level': {
      doc: 'What a domain is: host, or a label of hosts, such as rack or zone.',
      type: 'text',
      default: 'host',
      pattern: '^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$'
    },
    'affinity[].hard': {
      doc: 'Whether it holds in any case, for all members; else as far as there is room.',
      type: 'boolean',
      default: true
    },
    'affinity[].max': {
      doc: 'Most members in one domain that are kept apart.',
      type: 'integer',
      unit: 'count',
      default: 1,
      minimum: 1,
      maximum: 1000
    },
    hostLabels: { doc: 'Labels that its host must have, such as disk: ssd.', type: 'object' },
    cpuFeatures: {
      doc: 'Features that its processor must have, as Linux names them; a VM needs KVM.',
      type: 'list',
      itemsMax: 32
    },
    'cpuFeatures[]': { doc: 'Such as avx2.', type: 'text', pattern: '^[a-z0-9_]{1,32}$' },
    architecture: {
      doc: 'What the processors of its host must be; left out: what its image is for, or x86_64.',
      type: 'text',
      words: ['x86_64', 'aarch64']
    },
    acceleration: {
      doc: 'kvm: only hosts where KVM works; any, as when left out: it may be emulated.',
      type: 'text',
      words: ['any', 'kvm']
    },
    hugePages: {
      doc:
        'Size of the pages that the memory of a VM is made of; its host must have set ' +
        'enough of them aside. Left out: common ones.',
      type: 'text',
      words: ['2M', '1G']
    },
    numa: {
      doc:
        'fit: memory and processors of a VM are in one NUMA cell of its host, and it can go ' +
        'to another host only shut down; any, as when left out: wherever there is room.',
      type: 'text',
      words: ['any', 'fit']
    },
    devices: {
      doc:
        'Devices of its host that a VM has for itself; with them it can go to another host ' +
        'only shut down.',
      type: 'list',
      itemsMax: 8
    },
    'devices[].kind': {
      doc: 'Sort of device.',
      type: 'text',
      words: [
        'gpu',
        'fibre-channel',
        'infiniband',
        'accelerator',
        'nvme',
        'crypto',
        'virtual-function'
      ],
      required: true
    },
    'devices[].count': {
      doc: 'How many.',
      type: 'integer',
      unit: 'count',
      default: 1,
      minimum: 1,
      maximum: 64
    },
    coldStart: {
      doc:
        'Whether its host starts it by itself after a power cut, before any controller is ' +
        'there; it must name its host and have local volumes only.',
      type: 'boolean'
    }
  }
} as const
