"""llama.cpp on a Mamba of the 130M shape with random weights: a token, one of each of several sequences, or a prompt of 512. Prints one
JSON object.

Weights are written as a GGUF file of the asked type as llama.cpp's own converter lays them out: the small matrices of a block stay f32.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time

import gguf
import llama_cpp
import numpy

TOKENS_PER_STEP = 16  # of decoding: the time of one is too short to measure
PROMPT = 512
TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}


def write_model(path, options):
    E, D, N, K, V = options.d_model, 2 * options.d_model, 16, 4, options.vocabulary
    R = -(-E // 16)
    random = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(E)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(options.blocks)
    writer.add_ssm_conv_kernel(K)
    writer.add_ssm_inner_size(D)
    writer.add_ssm_state_size(N)
    writer.add_ssm_time_step_rank(R)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(V)
    writer.add_tokenizer_model("no_vocab")

    def add(name, *shape, scale=0.02, narrow=False, value=None):
        data = numpy.asarray(random.standard_normal(shape) * scale if value is None else value, numpy.float32)
        kind = TYPES[options.weights] if narrow else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)

    add("token_embd.weight", V, E, narrow=True)
    add("output_norm.weight", value=numpy.ones(E))
    for block in range(options.blocks):
        prefix = f"blk.{block}."
        add(prefix + "attn_norm.weight", value=numpy.ones(E))
        add(prefix + "ssm_in.weight", 2 * D, E, narrow=True)
        add(prefix + "ssm_conv1d.weight", D, K, scale=0.3)
        add(prefix + "ssm_conv1d.bias", D)
        add(prefix + "ssm_x.weight", R + 2 * N, D)
        add(prefix + "ssm_dt.weight", D, R, scale=0.1)
        add(prefix + "ssm_dt.bias", D)
        add(prefix + "ssm_a", value=-numpy.tile(numpy.arange(1, N + 1), (D, 1)))
        add(prefix + "ssm_d", value=numpy.ones(D))
        add(prefix + "ssm_out.weight", E, D, narrow=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Session:
    def __init__(self, path, threads, streams):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit("llama.cpp could not read the model")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = 4096
        params.n_seq_max = streams
        params.n_batch = params.n_ubatch = PROMPT
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)

    def feed(self, tokens):
        """One call with all of them; the logits of the last."""
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(tokens))) != 0:
            sys.exit("llama_decode failed")
        return llama_cpp.llama_get_logits_ith(self.context, -1)[0]

    def feed_each(self, tokens, position):
        """A token of each of several sequences, in one call; the logits of the last."""
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, position, 1, i, True
        if llama_cpp.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        llama_cpp.llama_batch_free(batch)
        return llama_cpp.llama_get_logits_ith(self.context, -1)[0]

    def forget(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("decode", "prefill"))
    parser.add_argument("weights", choices=TYPES)
    for name in ("d-model", "blocks", "vocabulary", "warmup", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--streams", type=int, default=1, help="of decode: sequences that get a token each")
    options = parser.parse_args()
    threads = int(os.environ["OMP_NUM_THREADS"])  # as for all peers
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.gguf"
        write_model(path, options)
        session = Session(path, threads, options.streams)
    count = TOKENS_PER_STEP if options.what == "decode" else 1
    times = []
    for step in range(options.warmup + options.steps):
        session.forget()
        start = time.perf_counter()
        for i in range(count):
            if options.what == "prefill":
                session.feed([i % options.vocabulary for i in range(PROMPT)])
            elif options.streams == 1:
                session.feed([17 + i])
            else:
                session.feed_each([17 + i + stream for stream in range(options.streams)], i)
        if step >= options.warmup:
            times.append((time.perf_counter() - start) * 1e3 / count)
    print(json.dumps({
        "min_ms": [min(times)], "median_ms": [statistics.median(times)], "all_ms": [times],
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": threads, "llama_cpp": llama_cpp.__version__,
    }))


if __name__ == "__main__":
    main()
