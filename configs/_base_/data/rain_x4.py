# Faces of {train,val,test}/{img,mask} under data_root (None: RAINRESTORE_DATA, else the bundled portraits), with the rain
# of rain_v1: new rain at every access in training, the same rain for every method in val and test.
data_root = None

# For inference: the task, and the size of the network's input.
restoration = dict(task='faces', size=32)

_observe = [dict(type='ParsingTarget', scale=4), dict(type='PackFaceInputs')]
_rain_train = [dict(type='FlipFace'), dict(type='ScaleAwareHeavyRain', scale=4), *_observe]
_rain_test = [dict(type='ScaleAwareHeavyRain', scale=4, seed=2022), *_observe]

# Distributed processes share the faces, without duplicates.
_each_once = dict(type='DefaultSampler', shuffle=False, round_up=False)

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    collate_fn=dict(type='rainrestore.collate_in_one_piece'),
    dataset=dict(type='FaceDataset', split='train', pipeline=_rain_train),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=_each_once,
    collate_fn=dict(type='rainrestore.collate_in_one_piece'),
    dataset=dict(type='FaceDataset', split='val', pipeline=_rain_test),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=_each_once,
    collate_fn=dict(type='rainrestore.collate_in_one_piece'),
    dataset=dict(type='FaceDataset', split='test', pipeline=_rain_test),
)
