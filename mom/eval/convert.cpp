#include "mom/eval/convert.h"

#include "mom/base/error.h"
#include "mom/data/shard.h"
#include "mom/modality/presets.h"
#include "mom/models/convert.h"
#include "mom/models/grow.h"
#include "mom/models/hugging_face.h"
#include "mom/models/quantize.h"
#include "mom/train/checkpoint.h"

namespace mom::eval {

void convert_dense_to_mixture(const Path& from, const Path& out, const std::vector<std::string>& modalities,
                              const std::vector<std::string>& decoupled) {
  const Path folder = train::find_model_folder(from);
  const Path config = folder / "config.json";
  models::ModelSpec spec = models::spec_from_json(read_json(config), config.string());
  if (!modalities.empty()) {
    if (spec.modalities.size() > 1 && spec.modalities != modalities)
      throw UserError(
          {"--modalities", "those of the model, or none", "others than in " + config.string(), ""});
    spec.modalities = modalities;
  }
  models::Model dense(spec);
  models::load_weights(*dense, folder);
  models::Model mixture = models::dense_to_mixture(*dense, decoupled);
  FolderPublisher publisher(out, /*replace=*/false);
  models::write_model(publisher.path(), *mixture);
  if (spec.vocabulary.empty()) models::keep_language(folder, publisher.path());
  publisher.commit();
}

namespace {

modality::Modality known_modality(const std::string& name, int64_t& num_ids) {
  for (const modality::Preset& preset : modality::presets())
    if (const modality::Modality* known = preset.vocabulary.find(name);
        known && known->representation == modality::Representation::kCodes) {
      if (num_ids == 0) num_ids = known->num_ids();
      return *known;
    }
  throw UserError({"--modality", "image or speech, or one of encoded data that --data names", name,
                   "name the data it will learn from: --data FOLDER"});
}

// The spec with all that the data says of a modality.
models::ModelSpec with_modality_of(models::ModelSpec spec, const std::string& name, const Path& folder) {
  const data::EncodedDataset dataset = data::open_encoded(folder);
  const modality::Modality* added = dataset.vocabulary.find(name);
  if (!added) throw UserError({"--data " + folder.string(), "data with " + name, "none", ""});
  spec.modalities.push_back(name);
  if (spec.modalities != dataset.modalities())
    throw UserError({"--data " + folder.string(),
                     "data of the model's modalities and " + name + ", in this order", "others",
                     "encode data of those: mom data encode --without MODALITY"});
  if (added->is_continuous()) spec.patch_size = added->patch_size;
  spec.vocabulary = dataset.vocabulary.with_patch_size(spec.patch_size);
  spec.vocab_size = spec.vocabulary.size();
  spec.codec_hashes = dataset.codec_hashes;
  spec.setting.clear();
  return spec;
}

}  // namespace

void convert_add_modality(const AddModality& options) {
  const Path folder = train::find_model_folder(options.from);
  models::Model smaller = models::load_model(folder);
  models::ModelSpec spec = smaller->spec();
  if (spec.modality_index(options.modality) >= 0)
    throw UserError({"--modality", "one that the model does not have", options.modality, ""});
  if (!options.data.empty()) {
    spec = with_modality_of(spec, options.modality, options.data);
  } else {
    int64_t num_ids = options.codes;
    const modality::Modality known = known_modality(options.modality, num_ids);
    spec = models::with_modality(spec, known, num_ids);
  }
  models::Model model(spec);
  const bool is_plain = smaller->spec().vocabulary.empty() && !spec.vocabulary.empty();
  const models::TextIds text =
      is_plain ? models::text_ids_for(folder, options.data / "codecs" / spec.vocabulary.text()->name)
               : models::TextIds();
  models::grow(*model, *smaller, text, /*seed=*/0, folder.string());
  FolderPublisher publisher(options.out, /*replace=*/false);
  models::write_model(publisher.path(), *model);
  if (spec.vocabulary.empty()) models::keep_language(folder, publisher.path());
  publisher.commit();
}

void convert_quantize(const Path& from, const Path& out, const std::string& weights) {
  const Path folder = train::find_model_folder(from);
  models::Model model = models::load_model(folder);
  FolderPublisher publisher(out, /*replace=*/false);
  models::write_model_as(publisher.path(), *model, weights);
  if (model->spec().vocabulary.empty()) models::keep_language(folder, publisher.path());
  publisher.commit();
}

}  // namespace mom::eval
