// The caption probe of a data set: trained once on its training pairs, then kept in a file beside the data.
// N training pairs, F features, P numbers of a thumbnail.
#pragma once

#include "mom/generate/model_codecs.h"
#include "mom/quality/contrastive_probe.h"
#include "mom/quality/pairs.h"

namespace mom::quality {

// Images as the codec decodes them, real and generated ones alike: u8 [N, 3, S, S]. Shows progress where it takes time.
at::Tensor pixels_of(const generate::ModelCodecs& codecs, const std::vector<generate::Segment>& images,
                     const std::string& label);

// What the captions of pairs say, as words, without those that most captions of their source have (a style's name).
std::vector<Words> concepts_of(const std::vector<Pair>& pairs, const std::vector<Words>& captions);

// Pairs that a probe is not trained on, so that it is tried on images it has not seen: a tenth of those whose concept has
// another image, chosen by content; of all, where that gives fewer than 40. Two at least, in rising order.
std::vector<size_t> set_aside(const std::vector<Words>& concepts);

struct TrainedProbe {
  ContrastiveProbe probe;
  std::vector<size_t> aside;  // training pairs it was not trained on
  at::Tensor features_NF;     // of all training pairs, f64
  at::Tensor thumbnails_NP;   // u8
};

// Reads FOLDER/caption-probe-HASH.safetensors, or trains the probe and writes it; where that is not possible, a warning
// says so. The hash is of all that the probe depends on: captions, latents or codes, the image codec, the options.
// InputError: a damaged file. `train`: two pairs or more.
TrainedProbe probe_of(const Path& folder, const std::vector<Pair>& train, const generate::ModelCodecs& codecs,
                      const ProbeOptions& options);

}  // namespace mom::quality
