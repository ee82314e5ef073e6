"""accelerate() beside transformers' own Mamba: logits, gradients, caches, padding, greedy tokens."""

import unittest

import mixture_of_mamba as mom
import torch
from support import Comparing
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM
from transformers.models.mamba.modeling_mamba import MambaMixer

MOST_DIFFERENCE = 1e-4  # of logits


def make_model(**options):
    model = MambaForCausalLM(MambaConfig(**{"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8} | options)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "dt_proj.bias" in name:
                parameter.uniform_(-2, 1)
            elif "conv1d" in name:
                parameter.normal_(std=0.5)
            elif "embeddings" not in name and parameter.dim() == 2 and "A_log" not in name:
                parameter.normal_(std=(2 if "x_proj" in name else 1) * parameter.shape[-1] ** -0.5)
    model.backbone.embeddings.weight.data.normal_(std=0.1)
    return model


class Accelerated(Comparing):
    def setUp(self):
        super().setUp()
        self.tokens = torch.randint(0, 97, (2, 40))
        self.addCleanup(lambda original=MambaMixer.forward: self.assertIs(MambaMixer.forward, original))

    def check_logits(self, one, other):
        self.assertGreater(other.abs().max().item(), 0.1)
        self.assertLessEqual((one - other).abs().max().item(), MOST_DIFFERENCE)

    @torch.no_grad()
    def test_logits(self):
        for options in ({}, {"use_bias": True}, {"use_conv_bias": False}, {"conv_kernel": 3, "time_step_rank": 5}):
            model = make_model(**options)
            mask = (torch.arange(40) >= torch.tensor([[0], [7]])).long()
            expected = [model(self.tokens).logits, model(self.tokens, attention_mask=mask).logits[:, 7:]]
            with mom.accelerate(model):
                self.assertIn("forward", model.backbone.layers[0].mixer.__dict__)
                for got, want in zip([model(self.tokens).logits, model(self.tokens, attention_mask=mask).logits[:, 7:]], expected):
                    self.check_logits(got, want)
            self.assertNotIn("forward", model.backbone.layers[0].mixer.__dict__)
            self.assertTrue(torch.equal(model(self.tokens).logits, expected[0]))

    @torch.no_grad()
    def test_caches(self):
        """Prefill and single tokens as transformers', whose cache either may have filled; and in parts, as in one go."""
        model = make_model()
        full = model(self.tokens).logits
        for first, then in ((False, True), (True, False), (True, True)):
            def run(accelerated, *arguments, **options):
                with mom.accelerate(model) if accelerated else torch.no_grad():
                    return model(*arguments, **options)
            start = run(first, self.tokens[:, :20], use_cache=True)
            self.check_logits(start.logits, full[:, :20])
            for t in range(20, 25):
                self.check_logits(run(then, self.tokens[:, t : t + 1], cache_params=start.cache_params, use_cache=True).logits[:, 0], full[:, t])
        with mom.accelerate(model):
            for parts in ((2, 20, 40), (1, 3, 40)):
                cache, begin = None, 0
                for end in parts:
                    output = model(self.tokens[:, begin:end], cache_params=cache, use_cache=True)
                    self.check_logits(output.logits, full[:, begin:end])
                    cache, begin = output.cache_params, end

    def test_training(self):
        for checkpointing in (False, True):
            model, results = make_model().train(), []
            if checkpointing:
                model.gradient_checkpointing_enable()
            for accelerated in (False, True):
                model.zero_grad()
                with mom.accelerate() if accelerated else torch.enable_grad():
                    output = model(self.tokens, labels=self.tokens)
                    output.loss.backward()
                results.append([output.logits, output.loss, *(p.grad.clone() for p in model.parameters())])
            for expected, got in zip(*results):
                self.check_close(got, expected.double(), most=1e-9)  # float32 on both sides

    @torch.no_grad()
    def test_greedy_tokens(self):
        model, prompt = make_model(), self.tokens[:, :9]
        options = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 60, "do_sample": False}
        expected = model.generate(prompt, **options)
        self.assertGreater(len(expected[:, 9:].unique()), 5)
        with mom.accelerate():
            self.assertTrue(torch.equal(model.generate(prompt, **options), expected))
        acceleration = mom.accelerate()
        self.assertTrue(torch.equal(model.generate(prompt, **options), expected))
        acceleration.restore()
        acceleration.restore()

    @torch.no_grad()
    def test_what_the_kernels_do_not_run(self):
        model = make_model().double()
        expected = model(self.tokens).logits
        with mom.accelerate():
            self.assertTrue(torch.equal(model(self.tokens).logits, expected))

    def test_refusals(self):
        llama = LlamaForCausalLM(LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))
        with self.assertRaisesRegex(ValueError, r"\[accelerate\] model: expected transformers' Mamba, got LlamaForCausalLM"):
            mom.accelerate(llama)


if __name__ == "__main__":
    unittest.main(verbosity=2)
