# Heavy-Rain Removal (Li, Cheong & Tan, CVPR 2019), stage 2: refinement with a depth-guided discriminator. From stage 1:
# --cfg-options load_from=work_dirs/heavy_rain_removal/heavy_rain_removal_stage1_x4/iter_56250.pth
# Without it, both stages are trained at once.
_base_ = [
    '../_base_/models/heavy_rain_removal.py',
    '../_base_/data/rain_x4.py',
    '../_base_/schedules/joint.py',
    '../_base_/runtime.py',
]

# In the original, the learning rate of the discriminator is a tenth of the generator's rate.
optim_wrapper = dict(discriminator=dict(optimizer=dict(lr=1e-4)))
