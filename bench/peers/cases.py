"""What bench/peers/run compares, on which sizes, and what we promise."""

from dataclasses import dataclass

KEPT, INSTALLED = "kept", "as installed"


@dataclass(frozen=True)
class Peer:
    name: str
    script: str
    arguments: tuple
    warmup: int = 4
    most_steps: int = 1000  # the slow ones take fewer than --steps
    limit_s: int = 900  # of one process
    environment: tuple = ()  # folder and requirements of its own Python; the peers' shared one without


@dataclass(frozen=True)
class Promise:
    """speed: at least `bound` times the tokens/s of the peer; memory: at most `bound` of its peak."""

    peer: Peer
    bound: float
    heap: str = KEPT
    measure: str = "speed"


@dataclass(frozen=True)
class Case:
    name: str
    help: str
    benches: tuple  # of `mom-bench`; their times add up
    tokens: int
    size: tuple  # arguments of the peers' scripts
    small_size: tuple
    promises: tuple
    peers: tuple


def scan_case():
    pscan = Peer("mambapy 1.2.0 pscan", "scan.py", ("pscan",))
    unbind = Peer("loop over unbound steps", "scan.py", ("unbind",))
    index = Peer("loop that indexes steps", "scan.py", ("index",), warmup=1, most_steps=2)
    return Case(
        name="scan",
        help="selective scan, forward + backward: 8 x 512 tokens, D 512, N 16, f32",
        benches=("scan_forward", "scan_backward"),
        tokens=8 * 512,
        size=("--size", "8", "512", "512", "16"),
        small_size=("--size", "2", "32", "16", "4"),
        promises=(Promise(pscan, 26), Promise(unbind, 19), Promise(pscan, 80, INSTALLED), Promise(unbind, 45, INSTALLED)),
        peers=(pscan, unbind, index),
    )


def step_arguments(d_model, blocks, vocabulary, sequences, length):
    sizes = {"d-model": d_model, "blocks": blocks, "vocabulary": vocabulary, "sequences": sequences, "length": length}
    return tuple(word for name, value in sizes.items() for word in (f"--{name}", str(value)))


def step_case(name, bench, promises, peers, sequences, length, d_model=256, blocks=8, vocabulary=512, tied=False):
    tie = ("--tied",) if tied else ()
    return Case(
        name=name,
        help=f"training step: d {d_model}, {blocks} blocks, vocabulary {vocabulary}{', tied' if tied else ''}, "
        f"{sequences} x {length} tokens, f32",
        benches=(bench,),
        tokens=sequences * length,
        size=step_arguments(d_model, blocks, vocabulary, sequences, length) + tie,
        small_size=step_arguments(64, 2, 64, 2, 16) + tie,
        promises=promises,
        peers=peers,
    )


LLAMA_CPP = (".deps/peers_llama", "bench/peers/requirements_llama.txt")


def generation_case(name, bench, what, tokens, promises):
    """`promises`: by llama.cpp's type of weights."""
    peers = {
        weights: Peer(f"llama.cpp {weights}", "llama.py", (what, weights), warmup=2, environment=LLAMA_CPP) for weights in promises
    }
    sizes = {"130m": ("--d-model", "768", "--blocks", "24", "--vocabulary", "50280"), "small": ("--d-model", "64", "--blocks", "2", "--vocabulary", "512")}
    return Case(
        name=name,
        help=f"{what}, {tokens} token{'s' if tokens > 1 else ''}: d 768, 24 blocks, vocabulary 50,280, tied; one sequence",
        benches=(bench,),
        tokens=tokens,
        size=sizes["130m"],
        small_size=sizes["small"],
        promises=tuple(Promise(peers[weights], bound) for weights, bound in promises.items()),
        peers=tuple(peers.values()),
    )


MAMBAPY = Peer("mambapy 1.2.0", "steps.py", ("mambapy",))
TRANSFORMER = Peer("transformer, SDPA", "steps.py", ("transformer",))
LLAMA = Peer("Llama-style transformer, SDPA", "steps.py", ("llama",))
PLAIN = Peer("Mamba in plain PyTorch", "steps.py", ("plain",), warmup=1, most_steps=2)
TRANSFORMERS = Peer("transformers 5.23.0 Mamba", "steps.py", ("transformers",), warmup=1, most_steps=1, limit_s=1800)
COMPILED = (
    Peer("transformer, SDPA, compiled", "steps.py", ("transformer", "--compile")),
    Peer("Mamba in plain PyTorch, compiled", "steps.py", ("plain", "--compile"), warmup=2, most_steps=2),
    Peer("transformers 5.23.0 Mamba, compiled", "steps.py", ("transformers", "--compile"), warmup=2, most_steps=2),
)

CASES = {
    case.name: case
    for case in (
        scan_case(),
        step_case(
            "step",
            bench="train_step",
            promises=(Promise(MAMBAPY, 5.5), Promise(MAMBAPY, 1 / 10, measure="memory"), Promise(TRANSFORMER, 0.98)),
            peers=(MAMBAPY, TRANSFORMER, PLAIN, TRANSFORMERS, *COMPILED),
            sequences=8,
            length=512,
        ),
        step_case(
            "130m",
            bench="train_step_130m",
            promises=(Promise(MAMBAPY, 2.9), Promise(MAMBAPY, 1 / 4, measure="memory"), Promise(TRANSFORMER, 0.98)),
            peers=(MAMBAPY, TRANSFORMER),
            sequences=1,
            length=512,
            d_model=768,
            blocks=24,
            vocabulary=50280,
            tied=True,
        ),
        generation_case("decode", "decode_130m", "decode", 1, {"f32": 1.15}),
        generation_case("decode_16_bits", "decode_130m_bf16", "decode", 1, {"bf16": 1.1, "f16": 1.1}),
        generation_case("decode_8_bits", "decode_130m_int8", "decode", 1, {"q8_0": 1.3}),
        generation_case("prefill", "prefill_130m", "prefill", 512, {"f32": 2.5}),
        step_case("long", bench="train_step_4096", promises=(Promise(TRANSFORMER, 1.3),), peers=(TRANSFORMER,), sequences=1, length=4096),
        # Our own Transformer against the same shape in PyTorch.
        step_case("transformer", bench="train_step_transformer", promises=(Promise(LLAMA, 0.9),), peers=(LLAMA,), sequences=8, length=512),
        step_case("transformer_4096", bench="train_step_transformer_4096", promises=(Promise(LLAMA, 0.9),), peers=(LLAMA,), sequences=1, length=4096),
    )
}
