# raindrop_plus.py on the Raindrop set of Qian et al. (2018): --data FOLDER with train, test_a and test_b, each
# with data/N_rain.png and gt/N_clean.png. Crops of 256 pixels; validated and tested on test_a.
# The pairs have no drop mask. Images are restored at full size.
_base_ = 'raindrop_plus.py'

model = dict(mask_weight=0, generator=dict(reference_side=None))
restoration = dict(size=256)
_pairs = dict(type='PairedDataset', given_suffix='_rain', truth_suffix='_clean')
_fed = [dict(type='CropPair', size=256), dict(type='FlipPair'), dict(type='PackFaceInputs')]
_seen = [dict(type='CropPair', size=256, random=False), dict(type='PackFaceInputs')]

train_dataloader = dict(dataset=dict(pipeline=_fed, **_pairs))
val_dataloader = dict(dataset=dict(split='test_a', pipeline=_seen, **_pairs))
test_dataloader = dict(dataset=dict(split='test_a', pipeline=_seen, **_pairs))
