# The mixture of two rain removal networks of hrrm_plus_x4: one for any rain, one for heavy rain.
_expert = dict(type='HRRM', encoder=dict(type='DenseNetEncoder'), inverse=True)
_rain_mixture = dict(_delete_=True, type='RainMixture', experts=[_expert, _expert])
